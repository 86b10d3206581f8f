"""The state of the cluster, where there is one process and no Ray."""

import os

import httpx
import pytest

from everruns.errors import StoreUnavailable
from everruns.runtime import cluster
from everruns.runtime.local import LocalRuntime
from everruns.storage.memory.sessions import MemorySessions
from tests.e2e.conversation import ENDS


async def run_turn(client: httpx.AsyncClient) -> None:
    session = (await client.post("/v1/sessions", json={"model_id": "simulated/simulated-1"})).json()
    path = f"/v1/sessions/{session['id']}"
    await client.post(f"{path}/messages", json={"content": "Hello"})
    for _ in range(1000):
        events = (await client.get(f"{path}/events/list?types={','.join(ENDS)}")).json()["data"]
        if events:
            return
    raise AssertionError("the turn did not end")


async def test_it_tells_what_turns_came_to(client: httpx.AsyncClient):
    await run_turn(client)

    state = (await client.get("/v1/cluster")).json()

    (actor,) = state["session_actors"]
    assert (actor["name"], actor["status"], actor["sessions"]) == ("local", "up", 1)
    assert actor["turns_running"] == 0
    assert actor["activity"]["turns_started"] == actor["activity"]["turns_completed"] == 1
    assert actor["activity"]["model_calls"] == 1
    assert actor["activity"]["output_tokens"] > 0
    assert actor["pid"] == state["registry"]["pid"] == os.getpid()
    assert state["registry"]["memory_bytes"] > 1_000_000
    assert state["registry"]["sessions"] == {"total": 1, "turns_open": 0, "waiting": {}}
    assert state["problems"] == []


async def test_it_is_read_once_a_second_however_often_it_is_asked_for(
    client: httpx.AsyncClient, runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch
):
    asked = 0
    figures = runtime.host.figures

    async def counted():
        nonlocal asked
        asked += 1
        return await figures()

    monkeypatch.setattr(runtime.host, "figures", counted)

    states = [(await client.get("/v1/cluster")).json() for _ in range(5)]

    assert asked == 1
    assert all(state == states[0] for state in states)


async def test_what_does_not_answer_is_missing_and_said_to_be(
    client: httpx.AsyncClient, runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cluster, "ANSWER_WITHIN_S", 0.5)

    async def silent():
        await runtime.registry.life.ended()

    def unavailable(_sessions: MemorySessions):
        raise StoreUnavailable("The database is away.")

    monkeypatch.setattr(runtime.host, "figures", silent)
    monkeypatch.setattr(MemorySessions, "count", unavailable)

    state = (await client.get("/v1/cluster")).json()

    assert {"The database is away.", "local does not answer."} <= set(state["problems"])
    assert state["session_actors"][0]["status"] == "silent"
    assert "activity" not in state["session_actors"][0]
    assert "sessions" not in state["registry"]


async def test_without_the_registry_there_is_still_an_answer(
    client: httpx.AsyncClient, runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cluster, "ANSWER_WITHIN_S", 0.5)
    monkeypatch.setattr(runtime.registry.overviews, "get", runtime.registry.life.ended)

    state = (await client.get("/v1/cluster")).json()

    assert "The registry does not answer." in state["problems"]
    assert state["registry"] == {}
