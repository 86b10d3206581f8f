"""What a host does with sessions whose store fails, is away for a while or is slow."""

import asyncio
from threading import Event as ThreadGate

import pytest

from everruns.errors import StoreUnavailable
from everruns.runtime import session as session_module
from everruns.runtime.feed.cursor import Cursor
from everruns.runtime.feed.poll import Poll, Subscribe
from everruns.storage.memory.logs import MemoryLogs
from everruns.storage.memory.sessions import MemorySessions
from everruns.storage.memory.store import MemoryStore
from tests.conversations import Conversation
from tests.scripts import ScriptedDriver, local_runtime, says
from tests.waiting import PATIENCE_S


async def test_a_store_that_is_away_for_a_moment_is_waited_for(monkeypatch):
    monkeypatch.setattr("everruns.runtime.session.STORE_RETRY_S", 0.001)
    store = MemoryStore()
    async with local_runtime(ScriptedDriver(says("One.")), store=store) as runtime:
        talk = await Conversation.begin(runtime)
        append, failures = store.logs.append, [StoreUnavailable("away")] * 5

        def sometimes(appends):
            if failures:
                raise failures.pop()
            return append(appends)

        store.logs.append = sometimes
        assert await talk.say("one") == "One."


async def test_a_session_that_could_not_be_loaded_is_loaded_by_the_next_request():
    store = MemoryStore()
    driver = ScriptedDriver(says("One."))
    async with local_runtime(driver, store=store) as runtime:
        talk = await Conversation.begin(runtime)
        await runtime.host.activate(talk.id)
        assert await runtime.host.hibernate(0) == 1
        take, failures = store.sessions.take, [StoreUnavailable("away"), LookupError("unforeseen")]

        def sometimes(*args):
            if failures:
                raise failures.pop()
            return take(*args)

        store.sessions.take = sometimes
        with pytest.raises(LookupError):
            await talk.send("one")
        with pytest.raises(StoreUnavailable):
            await talk.send("one")
        assert await talk.say("one") == "One."


async def test_a_session_that_cannot_be_loaded_fails_alone_and_leaves_no_trace_on_others():
    store = MemoryStore()
    async with local_runtime(store=store) as runtime:
        good, bad = await Conversation.begin(runtime), await Conversation.begin(runtime)
        await runtime.host.activate(bad.id)
        assert await runtime.host.hibernate(0) == 1
        await runtime.host.activate(good.id)
        take = store.sessions.take

        def unavailable(session_id, life, snapshot_format):
            if session_id == bad.id:
                raise StoreUnavailable("away")
            return take(session_id, life, snapshot_format)

        store.sessions.take = unavailable
        both = [Subscribe(0, good.id, Cursor()), Subscribe(1, bad.id, Cursor())]
        (failed,) = await runtime.host.poll(Poll("replica", 0, 0, both, wait_s=5))
        assert (failed.key, failed.status) == (1, "failed")
        assert failed.error.code == "STORE_UNAVAILABLE"
        assert await runtime.host.poll(Poll("replica", 0, 1, drop=[0])) == []
        assert not runtime.host.held.loaded[good.id].watchers
        assert await runtime.host.hibernate(0) == 1


async def test_a_session_that_loads_slowly_holds_up_no_other():
    released = ThreadGate()

    class SlowSessions(MemorySessions):
        def take(self, session_id, life, snapshot_format=None):
            if session_id == slow.id:
                assert released.wait(PATIENCE_S)
            return super().take(session_id, life, snapshot_format)

    store = MemoryStore()
    store.sessions = SlowSessions(store.contents)
    driver = ScriptedDriver(says("One."), says("Two."))
    async with local_runtime(driver, store=store) as runtime:
        slow, other = await Conversation.begin(runtime), await Conversation.begin(runtime)
        await slow.say("one")
        await runtime.host.hibernate(0)
        async with slow.reading() as waits:
            waiting = asyncio.create_task(waits.until_type("session.completed"))
            assert await other.say("two") == "Two."
            assert not waiting.done()
            released.set()
            await waiting


async def test_a_session_that_a_failed_append_closed_is_let_go_and_its_turn_goes_on(monkeypatch):
    """The store was away for long, and had stored the message all the same."""

    class ForgetfulLogs(MemoryLogs):
        is_away = False

        def append(self, appends):
            verdicts = super().append(appends)
            if self.is_away:
                raise StoreUnavailable("away")
            return verdicts

    monkeypatch.setattr(session_module, "STORE_PATIENCE_S", 0.0)
    monkeypatch.setattr(session_module, "STORE_RETRY_S", 0.0)
    store = MemoryStore()
    store.logs = ForgetfulLogs(store.contents)
    driver = ScriptedDriver(says("One."), says("Two."))
    async with local_runtime(driver, store=store) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("one")
        store.logs.is_away = True
        with pytest.raises(StoreUnavailable):
            await talk.send("two")
        store.logs.is_away = False
        assert runtime.host.held.loaded[talk.id].closed
        assert await runtime.host.hibernate(3600) == 1
        assert not runtime.host.held.loaded
        assert (await talk.ended()).type == "session.completed"
