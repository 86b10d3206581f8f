"""What a server shows its machine, in surroundings that mean it ill."""

import os
import signal
import socket
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from ipaddress import IPv6Address, ip_address
from pathlib import Path

import grpc
import httpx
import psutil
import pytest

from actors.processes import wait
from bench.server import Server
from tests.e2e.command_line import by_key
from tests.e2e.conversation import say, start_session
from tests.e2e.surroundings import Surroundings
from tests.servers import small_server

pytestmark = pytest.mark.timeout(600)

RESTART_S = 120.0
RESTARTED = ("ray::RegistryActor", "ray::SessionActor", "ray::ServeReplica")


@pytest.fixture(scope="module")
def server(replicated: Server) -> Server:
    """A server with a dashboard that is started in a folder of traps."""
    return replicated


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    headers = by_key(server.data_dir, "doors")
    with httpx.Client(base_url=server.address, headers=headers, timeout=60) as client:
        yield client


def processes(server: Server) -> list[psutil.Process]:
    return [server.process, *server.process.children(recursive=True)]


def is_loopback(host: str) -> bool:
    address = ip_address(host)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def open_to_others(server: Server) -> list[str]:
    """The sockets on which others could reach a process of the server, but for the API's own."""
    names = commands(server)
    return [
        f"{names[found.pid][:60]}: {found.type.name} {found.laddr}"
        for found in psutil.net_connections("inet")
        if found.pid in names
        and (found.status == psutil.CONN_LISTEN or found.type == socket.SOCK_DGRAM)
        and not is_loopback(found.laddr.ip)
    ]


def named(server: Server, name: str) -> set[int]:
    return {pid for pid, words in commands(server).items() if words.startswith(name)}


def commands(server: Server) -> dict[int, str]:
    """The command of each process that lives; some end while one looks."""
    found: dict[int, str] = {}
    for process in processes(server):
        with suppress(psutil.NoSuchProcess):
            found[process.pid] = " ".join(process.cmdline())
    return found


# Two starts.
@pytest.mark.long
def test_two_servers_that_start_at_once_both_come_up_with_ports_of_their_own() -> None:
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        starts = [pool.submit(stack.enter_context, small_server()) for _ in range(2)]
        servers = [start.result() for start in starts]

        assert all(httpx.get(f"{server.address}/ready").is_success for server in servers)
        assert len({server.address for server in servers}) == 2


def test_nothing_in_the_folder_it_is_started_in_is_run_or_read(
    client: httpx.Client, server: Server, surroundings: Surroundings
) -> None:
    session = start_session(client, default_model_id="simulated/simulated-1")

    assert say(client, session, "hi")[-1]["type"] == "session.completed"
    assert surroundings.sprung == []
    assert httpx.get(f"{server.address}/v1/agents").status_code == 401


def test_no_loopback_traffic_goes_to_a_proxy(server: Server, surroundings: Surroundings) -> None:
    assert httpx.get(f"{server.address}/ready", trust_env=False).is_success
    # Ray's dashboard asks which cloud it is in, at addresses that mean the same for a proxy.
    asked_for = surroundings.proxy.requests
    loopback = [asked for asked in asked_for if b"127.0.0.1" in asked or b"localhost" in asked]
    assert loopback == []
    assert all(b"169.254.169.254" in asked or b"metadata" in asked for asked in asked_for)


def test_a_caller_without_the_certificate_ends_no_process_of_the_cluster(server: Server) -> None:
    before = {process.pid for process in processes(server)}
    ports = {
        found.laddr.port
        for found in psutil.net_connections("tcp")
        if found.pid in named(server, "") and found.status == psutil.CONN_LISTEN
    }

    def call(port: int) -> None:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            start_sync = channel.unary_unary("/ray.rpc.syncer.RaySyncer/StartSync")
            with pytest.raises(grpc.RpcError):
                start_sync(b"", timeout=10)

    with ThreadPoolExecutor(len(ports)) as pool:
        list(pool.map(call, ports))

    assert before <= {process.pid for process in processes(server)}
    assert httpx.get(f"{server.address}/ready", timeout=30).is_success


def test_no_other_user_can_enter_the_folder_of_its_sockets_and_logs(server: Server) -> None:
    sockets = {
        Path(found.laddr).parent
        for process in processes(server)
        for found in process.net_connections("unix")
        if isinstance(found.laddr, str) and found.laddr.startswith("/")
    }
    assert sockets
    for folder in sockets:
        shut = [path for path in folder.parents if stat.S_IMODE(path.stat().st_mode) == 0o700]
        own = stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert (shut and shut[-1].stat().st_uid == os.getuid()) or own, folder


def test_only_the_api_can_be_reached_from_elsewhere_while_a_stream_is_open(
    client: httpx.Client, server: Server
) -> None:
    session = start_session(client, default_model_id="simulated/simulated-1")
    with client.stream("GET", f"/v1/sessions/{session}/events") as stream:
        next(stream.iter_lines())

        assert open_to_others(server) == []


def test_what_is_restarted_opens_nothing_to_others(server: Server) -> None:
    killed = {name: named(server, name) for name in RESTARTED}
    assert all(killed.values())

    def are_back() -> bool:
        return all(
            len(named(server, name) - before) >= len(before) for name, before in killed.items()
        )

    for pid in set().union(*killed.values()):
        os.kill(pid, signal.SIGKILL)
    wait(are_back, RESTART_S)
    wait(lambda: is_ready(server), RESTART_S)

    assert are_back()
    assert open_to_others(server) == []


def is_ready(server: Server) -> bool:
    try:
        return httpx.get(f"{server.address}/ready", timeout=5).is_success
    except httpx.HTTPError:
        return False
