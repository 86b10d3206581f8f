"""Replicas are replaced, die and stop: clients see the contract and nothing else."""

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from bench.server import Server
from tests.e2e.command_line import by_key, everruns
from tests.e2e.conversation import post, start_session
from tests.e2e.follower import Follower, stored_sequences
from tests.waiting import eventually

STOP_WITHIN_S = 30
REVOKED_WITHIN_S = 10
REDEPLOY_WITHIN_S = 240
BETWEEN_REQUESTS_S = 0.1
SESSIONS = 4
MORE_THAN_WERE_CONNECTED = 400


@pytest.fixture(scope="module")
def server(replicated: Server) -> Server:
    """A server with two replicas and API keys, which these tests change and stop."""
    return replicated


@pytest.fixture(scope="module")
def key(server: Server) -> dict[str, str]:
    """The header that brings an API key."""
    return by_key(server.data_dir, "tests")


@pytest.fixture
async def caller(server: Server, key: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.address, headers=key, timeout=30) as caller:
        yield caller


@pytest.fixture
def client(server: Server, key: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.address, headers=key, timeout=30) as client:
        yield client


def revoke_key(server: Server, name: str) -> None:
    listed = everruns("keys", "list", EVERRUNS_DATA_DIR=server.data_dir)
    (key_id,) = re.findall(rf"(key_[0-9a-f]{{32}}) .* {name} ", listed.stdout)
    revoked = everruns("keys", "revoke", key_id, EVERRUNS_DATA_DIR=server.data_dir)
    assert revoked.returncode == 0, revoked.stderr


def replicas(server: Server) -> list[psutil.Process]:
    """Return the processes of the API replicas."""
    return [
        process
        for process in server.process.children(recursive=True)
        if "ServeReplica" in "".join(_title(process))
    ]


def _title(process: psutil.Process) -> list[str]:
    """Return a process's command line; one that has ended, or is about to, has none."""
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def deploy(server: Server, dashboard_port: int, **settings: Any) -> None:
    """Deploy the application again with other settings, as ``serve deploy`` does."""
    token = (Path(server.data_dir) / "ray_token").read_text()
    arguments = {"data_dir": server.data_dir, "auth": "api_keys", **settings}
    application = {"name": "everruns", "import_path": "serve_app:app", "args": arguments}
    answer = httpx.put(
        f"http://127.0.0.1:{dashboard_port}/api/serve/applications/",
        json={"applications": [application]},
        headers={"Authorization": f"Bearer {token}"},
        timeout=60,
    )
    assert answer.is_success, answer.text


async def test_a_key_counts_in_every_replica_until_it_is_revoked(
    server: Server, client: httpx.Client, caller: httpx.AsyncClient
) -> None:
    session_id = start_session(client, default_model_id="simulated/simulated-1")
    headers = by_key(server.data_dir, "laptop")

    async def status() -> int:
        """Ask over a new connection, which HAProxy gives to the other replica."""
        async with httpx.AsyncClient(base_url=server.address, timeout=30) as caller:
            return (await caller.get("/v1/agents", headers=headers)).status_code

    async def read_to_the_end() -> str:
        url = f"/v1/sessions/{session_id}/events"
        async with (
            httpx.AsyncClient(base_url=server.address, timeout=30) as caller,
            caller.stream("GET", url, headers=headers) as stream,
        ):
            connected.release()
            return (await stream.aread()).decode()

    assert {await status() for _ in range(8)} == {200}
    connected = asyncio.Semaphore(0)
    reading = [asyncio.create_task(read_to_the_end()) for _ in range(8)]
    for _ in reading:
        await connected.acquire()

    await asyncio.to_thread(revoke_key, server, "laptop")

    async with asyncio.timeout(REVOKED_WITHIN_S):
        streams = await asyncio.gather(*reading)
        while {await status() for _ in range(8)} != {401}:
            pass
    assert all('data: {"reason":"key_revoked"' in stream for stream in streams)
    assert (await caller.get("/v1/agents")).is_success


async def test_a_request_whose_replica_dies_is_answered_with_an_error_of_ours(
    server: Server,
) -> None:
    victim, _ = replicas(server)
    victim.suspend()
    limits = httpx.Limits(max_connections=MORE_THAN_WERE_CONNECTED)
    async with httpx.AsyncClient(base_url=server.address, timeout=30, limits=limits) as caller:
        asking: list[asyncio.Task[httpx.Response]] = []
        waiting: set[asyncio.Task[httpx.Response]] = set()
        while not waiting:  # HAProxy learns of a replica a moment after it is up.
            asking = [
                asyncio.create_task(caller.get("/health")) for _ in range(MORE_THAN_WERE_CONNECTED)
            ]
            late, waiting = await asyncio.wait(asking, timeout=3)
            # On a busy machine others are answered late, too; the victim answers nobody.
            while late and waiting:
                late, waiting = await asyncio.wait(waiting, timeout=3)
        victim.kill()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)

    assert all(task.result().is_success for task in set(asking) - waiting)
    # HAProxy closes a connection silently, for its client to try again, if it had sent the
    # request over a connection that it had used before. The others are new.
    # On a busy machine the other replica may still be answering some of them.
    answers = [outcome for outcome in outcomes if isinstance(outcome, httpx.Response)]
    errors = [answer for answer in answers if not answer.is_success]
    assert errors
    for error in errors:
        assert error.status_code == 503
        assert error.headers["retry-after"] == "1"
        assert error.json()["error"]["code"] == "HOST_LOST"
    await eventually(lambda: len(replicas(server)) == 2, REDEPLOY_WITHIN_S)


async def test_replicas_are_replaced_under_load_without_a_failed_request_or_a_lost_event(
    server: Server, client: httpx.Client, caller: httpx.AsyncClient, dashboard_port: int
) -> None:
    followers = [
        Follower(caller, start_session(client, default_model_id="simulated/simulated-1"))
        for _ in range(SESSIONS)
    ]
    following = [asyncio.create_task(follower.follow()) for follower in followers]
    old = replicas(server)
    replaced = asyncio.Event()
    requests = 0

    async def talk(session_id: str) -> None:
        nonlocal requests
        path = f"/v1/sessions/{session_id}"
        while not replaced.is_set():
            (await caller.post(f"{path}/messages", json={"content": "hi"})).raise_for_status()
            (await caller.get(path)).raise_for_status()
            (await caller.get(f"{path}/messages")).raise_for_status()
            requests += 3
            await asyncio.sleep(BETWEEN_REQUESTS_S)

    talking = [asyncio.create_task(talk(follower.session_id)) for follower in followers]
    await asyncio.to_thread(deploy, server, dashboard_port, replicas=2, heartbeat_s=11)
    await eventually(
        lambda: not any(map(psutil.Process.is_running, old)) or any(map(_failed, talking)),
        REDEPLOY_WITHIN_S,
    )
    replaced.set()
    await asyncio.gather(*talking)

    for follower in followers:
        await eventually(
            lambda follower=follower: (
                follower.sequences == stored_sequences(client, follower.session_id)
            )
        )
        assert set(follower.endings) == {"disconnecting"}
    await eventually(lambda: len(replicas(server)) == 2, REDEPLOY_WITHIN_S)
    assert requests > 100
    for task in following:
        task.cancel()


def _failed(task: "asyncio.Task[None]") -> bool:
    return task.done() and task.exception() is not None


async def test_a_stopped_server_sends_its_readers_away_and_ends_in_time(
    server: Server, client: httpx.Client, caller: httpx.AsyncClient
) -> None:
    model = post(
        client,
        "/v1/llm-providers",
        {
            "name": "slow",
            "provider_type": "simulated",
            "settings": {"tokens": 1000, "tokens_per_s": 20},
        },
    )["models"][0]["id"]
    session_id = start_session(client, default_model_id=model)
    post(client, f"/v1/sessions/{session_id}/messages", {"content": "Talk."})
    followers = [Follower(caller, session_id) for _ in range(3)]
    reading = [asyncio.create_task(follower.read_one_stream()) for follower in followers]
    await eventually(lambda: all(len(follower.sequences) == 2 for follower in followers))

    stopping = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(asyncio.gather(*reading), STOP_WITHIN_S)
    await asyncio.to_thread(server.process.wait, STOP_WITHIN_S)

    assert time.monotonic() - stopping < STOP_WITHIN_S
    assert all(follower.endings == {"disconnecting": 1} for follower in followers)
