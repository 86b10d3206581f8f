"""Sessions whose log cannot be folded: they fail alone, with a code, and are not tried for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from everruns.errors import SessionNotFound, SessionUnreadable
from everruns.runtime import reconciler, unreadable
from everruns.runtime.feed.cursor import Cursor
from everruns.runtime.local import LocalRuntime
from everruns.storage.logs import EventQuery
from everruns.storage.memory.sessions import MemorySessions
from everruns.storage.memory.store import MemoryStore
from tests.conversations import Conversation
from tests.scripts import Gate, ScriptedDriver, local_runtime, says
from tests.waiting import PATIENCE_S, eventually


class DamagedSessions(MemorySessions):
    """Returns the user's message of one session without what makes it a message."""

    damaged: str | None = None

    def take(self, session_id, life, snapshot_format=None):
        loaded = super().take(session_id, life, snapshot_format)
        if loaded is None or session_id != self.damaged:
            return loaded
        first, *others = loaded.events
        damaged = replace(first, body=b'{"data":{},"context":{}}')
        return replace(loaded, events=[damaged, *others])


@asynccontextmanager
async def damaged_in_its_turn() -> AsyncIterator[tuple[LocalRuntime, Conversation]]:
    """A session whose turn is open, whose host has let it go, and which cannot be loaded."""
    store, gate = MemoryStore(), Gate()
    store.sessions = DamagedSessions(store.contents)
    driver = ScriptedDriver(says("Hel", gate), says("fine."))
    async with local_runtime(driver, store=store) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("one")
        await gate.reached.wait()
        store.sessions.damaged = talk.id
        await runtime.host.leave([talk.id])
        yield runtime, talk


@pytest.fixture(autouse=True)
def short_times(monkeypatch):
    monkeypatch.setattr(reconciler, "INTERVAL_S", 0.01)


async def test_its_open_turn_ends_as_failed_and_one_line_of_the_log_says_so():
    with capture_logs() as lines:
        async with damaged_in_its_turn() as (runtime, talk):
            await eventually(lambda: "session quarantined" in {line["event"] for line in lines})
            *before, ending = await talk.log()
            assert [event.type for event in before] == ["message.created", "session.started"]
            assert ending.type == "session.failed"
            assert ending.sequence == len(before) + 1
            assert ending.turn_id == before[1].turn_id == ending.data["turn_id"]
            assert ending.data["error"]["code"] == "SESSION_UNREADABLE"
            assert (await runtime.registry.sessions.get(talk.id)).status == "idle"
            assert not await runtime.registry.hosting.abandoned()
    told = [line for line in lines if line["log_level"] == "error"]
    assert [line["event"] for line in told] == ["session unreadable", "session quarantined"]
    assert {line["session_id"] for line in told} == {talk.id}
    assert "one" not in str([line["error"] for line in told])


async def test_requests_to_it_get_its_code_and_it_is_held_nowhere():
    async with damaged_in_its_turn() as (runtime, talk):
        for _ in range(2):
            with pytest.raises(SessionUnreadable):
                await talk.send("two")
        await eventually(lambda: not runtime.host.held._sessions)
        await eventually(lambda: runtime.registry.placement.find(talk.id) is None)


async def test_it_can_be_deleted():
    async with damaged_in_its_turn() as (runtime, talk):
        with pytest.raises(SessionUnreadable):
            await talk.send("two")
        await runtime.sessions.delete(talk.id)
        with pytest.raises(SessionNotFound):
            await runtime.registry.sessions.get(talk.id)


async def test_a_reader_of_it_is_told_and_those_of_other_sessions_notice_nothing():
    async with damaged_in_its_turn() as (runtime, talk):
        other = await Conversation.begin(runtime)
        async with other.reading(Cursor()) as reader:
            stream = await runtime.sessions.stream(talk.id, Cursor(0))
            with pytest.raises(SessionUnreadable):
                await asyncio.wait_for(anext(stream), PATIENCE_S)
            with pytest.raises(SessionUnreadable):
                await runtime.sessions.stream(talk.id, Cursor(0))
            assert await other.say("hi") == "fine."
            await reader.until_type("session.completed")


async def test_it_is_folded_once_in_a_while_however_often_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(reconciler, "INTERVAL_S", 60.0)
    async with damaged_in_its_turn() as (runtime, talk):
        store = runtime.registry.logs._store
        loads: list[str] = []
        take = store.sessions.take
        store.sessions.take = lambda *asked: loads.append(asked) or take(*asked)
        for _ in range(5):
            with pytest.raises(SessionUnreadable):
                await talk.send("two")
        assert len(loads) <= 1
        monkeypatch.setattr(unreadable, "REMEMBER_S", 0.0)
        store.sessions.damaged = None
        runtime.host.held._unreadable = unreadable.UnreadableSessions()
        await talk.send("two")
        assert len(await runtime.registry.logs.events(talk.id, EventQuery())) >= 3


async def test_a_session_that_can_be_loaded_after_all_is_not_quarantined():
    async with local_runtime(ScriptedDriver(says("Hi."))) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("one")
        assert await runtime.host.hibernate(0) == 1
        assert await runtime.registry.hosting.quarantine(talk.id) is None
        assert (await talk.types())[-1] == "session.completed"
