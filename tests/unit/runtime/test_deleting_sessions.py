"""What the deletion of a session ends, wherever it is held."""

import asyncio
from threading import Event as ThreadGate

import pytest

from everruns.errors import (
    PlacedElsewhere,
    SessionNotFound,
)
from everruns.runtime.feed.cursor import Cursor
from everruns.storage.memory.sessions import MemorySessions
from everruns.storage.memory.store import MemoryStore
from tests.conversations import Conversation
from tests.scripts import Gate, ScriptedDriver, local_runtime, says
from tests.waiting import PATIENCE_S


async def test_deleting_ends_the_turn_the_streams_and_the_session():
    gate = Gate()
    driver = ScriptedDriver(says("Hel", gate, "lo"))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        async with talk.reading() as one, talk.reading(Cursor()) as other:
            await one.until(lambda: one.text == "Hel")
            await runtime.sessions.delete(talk.id)
            for reader in (one, other):
                while not reader.ended:
                    await reader.next()
        assert driver.closed == 1
        assert not runtime.host.held._sessions
        assert await runtime.registry.hosting.holder(talk.id) is None
        with pytest.raises(SessionNotFound):
            await talk.send("hi")


async def test_a_stream_that_reconnects_while_its_session_is_deleted_ends():
    """Nobody may load a session anew while it is being deleted: its readers would wait for ever."""
    released = ThreadGate()

    class SlowSessions(MemorySessions):
        def delete(self, session_id):
            assert released.wait(PATIENCE_S)
            return super().delete(session_id)

    store = MemoryStore()
    store.sessions = SlowSessions(store.contents)
    async with local_runtime(ScriptedDriver(says("Hello.")), store=store) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        async with talk.reading() as reader:
            await reader.until_type("session.completed")
            reading = asyncio.create_task(reader.next())
            deleting = asyncio.create_task(runtime.sessions.delete(talk.id))
            late = await talk.runtime.sessions.stream(talk.id, Cursor(0))
            await anext(late)
            released.set()
            await deleting
            await reading
            assert reader.ended
            with pytest.raises(StopAsyncIteration):
                await asyncio.wait_for(anext(late), PATIENCE_S)
        assert not runtime.host.held._sessions


async def test_a_session_at_rest_is_deleted_without_being_loaded():
    async with local_runtime() as runtime:
        talk = await Conversation.begin(runtime)
        await runtime.sessions.delete(talk.id)
        assert not runtime.host.held._sessions
        with pytest.raises(SessionNotFound):
            await runtime.sessions.delete(talk.id)


async def test_a_host_deletes_only_what_it_holds():
    async with local_runtime() as runtime:
        talk = await Conversation.begin(runtime)
        runtime.registry.placement.host_started("other")
        assert runtime.registry.placement.claim(talk.id, "other")
        with pytest.raises(PlacedElsewhere):
            await runtime.host.delete(talk.id)
        assert await runtime.registry.sessions.get(talk.id)
