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
from threading import Thread

import grpc
import httpx
import psutil
import pytest

from actors.processes import wait
from bench.server import Server
from tests.e2e.conversation import say, start_session
from tests.servers import small_server

pytestmark = pytest.mark.timeout(600)

RESTART_S = 120.0
TRAPS = ("secrets", "json", "ray", "sitecustomize", "usercustomize", "serve_app", "zipfile")
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "grpc_proxy")
RESTARTED = ("ray::RegistryActor", "ray::SessionActor", "ray::ServeReplica")


class Proxy:
    """A proxy that counts who comes."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.requests: list[bytes] = []
        Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return  # closed
            with connection:
                connection.settimeout(5)
                try:
                    self.requests.append(connection.recv(200))
                except TimeoutError:
                    self.requests.append(b"")


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    proxy = Proxy()
    yield proxy
    proxy.socket.close()


@pytest.fixture(scope="module")
def sprung(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of modules that shadow others and leave a mark in ``marks`` when they are run."""
    folder = tmp_path_factory.mktemp("traps")
    marks = folder / "marks"
    marks.mkdir()
    for name in TRAPS:
        code = f"open({str(marks / name)!r}, 'w').close()\n"
        (folder / f"{name}.py").write_text(code)
    (folder / ".env").write_text("EVERRUNS_AUTH=api_keys\n")
    return folder


@pytest.fixture(scope="module")
def server(proxy: Proxy, sprung: Path) -> Iterator[Server]:
    """A server with a dashboard that is started in a folder of traps."""
    environment = {
        "EVERRUNS_DASHBOARD": "true",
        **dict.fromkeys(PROXIES, proxy.address),
        "NO_PROXY": "",
        "no_proxy": "",
        # The command itself is run as a module here, from the folder with the traps.
        "PYTHONSAFEPATH": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    with small_server(folder=sprung, **environment) as server:
        yield server


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
    server: Server, sprung: Path
) -> None:
    with httpx.Client(base_url=server.address, timeout=60) as client:
        session = start_session(client, default_model_id="simulated/simulated-1")

        assert say(client, session, "hi")[-1]["type"] == "session.completed"

    assert [path.name for path in (sprung / "marks").iterdir()] == []


def test_no_loopback_traffic_goes_to_a_proxy(server: Server, proxy: Proxy) -> None:
    assert httpx.get(f"{server.address}/ready", trust_env=False).is_success
    # Ray's dashboard asks which cloud it is in, at addresses that mean the same for a proxy.
    loopback = [asked for asked in proxy.requests if b"127.0.0.1" in asked or b"localhost" in asked]
    assert loopback == []
    assert all(b"169.254.169.254" in asked or b"metadata" in asked for asked in proxy.requests)


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
    server: Server,
) -> None:
    with httpx.Client(base_url=server.address, timeout=60) as client:
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
