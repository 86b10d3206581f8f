"""Sending the traces of turns that have ended, from the logs of a server."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from everruns.commands.server import Server
from everruns.commands.traces import _Export
from everruns.errors import Unavailable
from everruns.ids import now_ms
from everruns.runtime.local import LocalRuntime
from everruns.telemetry.export import Collector as Target
from everruns.telemetry.export import Exporter
from everruns.telemetry.traces import TraceRule
from tests.collector import Collector, answering, collecting
from tests.conversations import Conversation


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as collector:
        yield collector


@pytest.fixture
async def talk(runtime: LocalRuntime) -> Conversation:
    """A session with two turns that have ended."""
    talk = await Conversation.begin(runtime, model_id="simulated/simulated-1")
    await talk.say("hi")
    await talk.say("hi again")
    return talk


async def exported(app: FastAPI, collector: Collector, *sessions: str, since: int | None = None):
    transport = httpx.ASGITransport(app)
    exporter = Exporter(Target(collector.url), lambda _: None)
    running = asyncio.create_task(exporter.run())
    try:
        async with Server("http://localhost", transport=transport) as api:
            return await _Export(api, exporter, TraceRule()).run([*sessions], since)
    finally:
        running.cancel()


async def test_all_turns_of_a_session_are_sent(
    app: FastAPI, collector: Collector, talk: Conversation
):
    assert await exported(app, collector, talk.id) == 2
    turns = {event.turn_id for event in await talk.log()}
    assert {span.trace_id for span in collector.spans} == {
        turn.removeprefix("turn_") for turn in turns
    }
    assert len({span.span_id for span in collector.spans}) == 4


async def test_sending_them_again_sends_the_same_spans(
    app: FastAPI, collector: Collector, talk: Conversation
):
    await exported(app, collector, talk.id)
    first, collector.bodies = collector.spans, []
    await exported(app, collector, talk.id)
    assert collector.spans == first


async def test_turns_since_a_time_are_found_in_all_sessions(
    app: FastAPI, collector: Collector, talk: Conversation, runtime: LocalRuntime
):
    moment = now_ms() + 1
    while now_ms() <= moment:
        await asyncio.sleep(0)
    other = await Conversation.begin(runtime, model_id="simulated/simulated-1")
    await other.say("hi")
    await talk.say("and again")
    assert await exported(app, collector, since=moment) == 2
    assert {span.attributes["session.id"] for span in collector.spans} == {talk.id, other.id}


async def test_a_session_that_is_deleted_meanwhile_does_not_end_the_others(
    app: FastAPI,
    runtime: LocalRuntime,
    collector: Collector,
    talk: Conversation,
    monkeypatch: pytest.MonkeyPatch,
):
    other = await Conversation.begin(runtime, model_id="simulated/simulated-1")
    await other.say("hi")
    ended_turns = _Export._ended_turns

    def deleting(self: _Export, session: Mapping[str, Any], since_ms: int | None):
        async def turns() -> AsyncIterator[str]:
            if session["id"] == talk.id:
                await runtime.sessions.delete(talk.id)
            async for turn_id in ended_turns(self, session, since_ms):
                yield turn_id

        return turns()

    monkeypatch.setattr(_Export, "_ended_turns", deleting)

    assert await exported(app, collector, since=now_ms() - 60_000) == 1

    assert {span.attributes["session.id"] for span in collector.spans} == {other.id}


async def test_the_turns_that_a_fork_has_copied_are_not_its_own(
    app: FastAPI, collector: Collector, talk: Conversation, client: httpx.AsyncClient
):
    fork = (await client.post(f"/v1/sessions/{talk.id}/fork", json={})).json()
    assert await exported(app, collector, fork["id"]) == 0


async def test_a_collector_that_takes_nothing_is_named(
    app: FastAPI, collector: Collector, talk: Conversation, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("everruns.commands.traces.PATIENCE_S", 0.5)
    collector.replies += [answering(503)] * 50
    with pytest.raises(Unavailable, match="takes no spans"):
        await exported(app, collector, talk.id)
