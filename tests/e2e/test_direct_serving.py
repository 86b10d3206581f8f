"""A server whose API is served without Ray Serve: by one process, behind HAProxy."""

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx
import psutil
import pytest

from actors.processes import wait
from bench.server import Server
from tests.e2e.command_line import everruns
from tests.e2e.conversation import post, say, start_session, types
from tests.e2e.follower import Follower, stored_sequences
from tests.servers import small_server
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(600)

STOP_WITHIN_S = 30
BACK_WITHIN_S = 120
LOGGED_WITHIN_S = 30
TURNS = {"tokens": 200, "tokens_per_s": 20}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with small_server(EVERRUNS_SERVING="direct") as server:
        yield server


@pytest.fixture(scope="module")
def slow_model(server: Server) -> str:
    """A model that talks for some ten seconds."""
    with httpx.Client(base_url=server.address, timeout=30) as client:
        slow = {"name": "slow", "provider_type": "simulated", "settings": TURNS}
        return post(client, "/v1/llm-providers", slow)["models"][0]["id"]


def processes(server: Server, name: str) -> list[psutil.Process]:
    """Return the processes whose command line holds a name; some end while one looks."""
    found: list[psutil.Process] = []
    for process in server.process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if name in " ".join(process.cmdline()):
                found.append(process)
    return found


def test_one_process_serves_a_conversation_and_none_of_serves_is_there(
    server: Server, client: httpx.Client
) -> None:
    session_id = start_session(client, default_model_id="simulated/simulated-1")

    events = say(client, session_id, "Hello")

    assert types(events)[-1] == "session.completed"
    assert len(processes(server, "ray::ApiActor")) == 1
    for serves in ("ray::Serve", "ray::ProxyActor", "ray::HAProxyManager"):
        assert processes(server, serves) == []


def test_the_state_of_the_cluster_has_the_process(server: Server, client: httpx.Client) -> None:
    (process,) = processes(server, "ray::ApiActor")

    (replica,) = client.get("/v1/cluster").raise_for_status().json()["replicas"]

    assert (replica["id"], replica["pid"]) == ("api", process.pid)
    assert replica["memory_bytes"] > 0


def test_its_log_is_in_that_of_the_server(server: Server, client: httpx.Client) -> None:
    assert client.get("/nowhere").status_code == 404

    def is_logged() -> bool:
        shown = everruns("logs", "-o", "json", EVERRUNS_DATA_DIR=server.data_dir)
        return '"actor":"api"' in shown.stdout.replace(" ", "")

    wait(is_logged, LOGGED_WITHIN_S)
    assert is_logged()


async def test_a_killed_process_cuts_streams_that_go_on_and_answers_who_asks_meanwhile(
    server: Server, client: httpx.Client, slow_model: str
) -> None:
    session_id = start_session(client, default_model_id=slow_model)
    (victim,) = processes(server, "ray::ApiActor")
    async with httpx.AsyncClient(base_url=server.address, timeout=BACK_WITHIN_S) as caller:
        follower = Follower(caller, session_id)
        following = asyncio.create_task(follower.follow())
        message = {"content": "Talk."}
        (await caller.post(f"/v1/sessions/{session_id}/messages", json=message)).raise_for_status()
        await eventually(lambda: len(follower.sequences) == 2)

        victim.kill()
        # Before its last connection is closed, HAProxy may send it a request over one of them.
        await asyncio.to_thread(victim.wait, STOP_WITHIN_S)
        await eventually(follower.endings.total)
        # Asked while nobody serves: HAProxy waits for the next life, a quarter of a minute.
        asked = await caller.get(f"/v1/sessions/{session_id}")

        is_told_to_come_again = asked.status_code == 503 and "retry-after" in asked.headers
        assert asked.is_success or is_told_to_come_again
        await eventually(lambda: len(follower.sequences) == 4, BACK_WITHIN_S)
        following.cancel()

        (replica,) = (await caller.get("/v1/cluster")).raise_for_status().json()["replicas"]
    assert replica["restarts"] == 1
    assert follower.sequences == stored_sequences(client, session_id)


def test_a_killed_haproxy_is_started_again(server: Server) -> None:
    (victim,) = processes(server, "haproxy -db")

    victim.kill()
    victim.wait()

    with httpx.Client(transport=httpx.HTTPTransport(retries=10), timeout=30) as client:
        assert client.get(f"{server.address}/ready").is_success


async def test_a_stopped_server_sends_its_readers_away_and_leaves_no_process(
    server: Server, client: httpx.Client, slow_model: str
) -> None:
    session_id = start_session(client, default_model_id=slow_model)
    post(client, f"/v1/sessions/{session_id}/messages", {"content": "Talk."})
    async with httpx.AsyncClient(base_url=server.address, timeout=30) as caller:
        followers = [Follower(caller, session_id) for _ in range(3)]
        reading = [asyncio.create_task(follower.read_one_stream()) for follower in followers]
        await eventually(lambda: all(len(follower.sequences) == 2 for follower in followers))
        started = [server.process, *server.process.children(recursive=True)]

        stopping = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(asyncio.gather(*reading), STOP_WITHIN_S)
        await asyncio.to_thread(server.process.wait, STOP_WITHIN_S)

    assert time.monotonic() - stopping < STOP_WITHIN_S
    assert all(follower.endings == {"disconnecting": 1} for follower in followers)
    _, alive = psutil.wait_procs(started, timeout=1)
    assert alive == []
