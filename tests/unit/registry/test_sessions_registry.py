"""Sessions as the registry keeps them: rows and logs."""

import asyncio
from threading import Event
from typing import Any

import pytest

from everruns.capabilities.registry import load_capabilities
from everruns.domain.agents import MAX_DEFINITION_BYTES, AgentInput
from everruns.domain.idempotency import Idempotency
from everruns.domain.sessions import SessionInput
from everruns.errors import (
    AgentNotFound,
    IdempotencyKeyReused,
    SequenceConflict,
    SessionNotFound,
    TooLarge,
    UnknownCapability,
    UnknownModel,
)
from everruns.ids import new_id
from everruns.registry.database import Database
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.storage import pages
from everruns.storage.logs import EventQuery
from everruns.storage.memory.sessions import MemorySessions
from everruns.storage.memory.store import MemoryStore
from everruns.storage.sessions import SessionQuery
from everruns.tools.base import ToolError
from tests.logs import LogWriter
from tests.unit.registry.stored_turns import stored, talked
from tests.waiting import PATIENCE_S, eventually

KEY = Idempotency.of("POST /v1/sessions", "key", b"body")


def wanted(**fields: Any) -> SessionInput:
    return SessionInput.model_validate(fields)


async def test_a_session_finds_its_agent_by_id_or_name(registry: Registry):
    agent, _ = await registry.agents.create(AgentInput(name="a"))
    by_id = await registry.sessions.create(wanted(agent_id=agent.id))
    by_name = await registry.sessions.create(wanted(agent_name="a"))
    alone = await registry.sessions.create(wanted())
    assert (by_id.agent_id, by_name.agent_id, alone.agent_id) == (agent.id, agent.id, None)
    page = await registry.sessions.list(SessionQuery(agent_id=agent.id))
    assert [session.id for session in page.data] == [by_name.id, by_id.id]


async def test_what_a_session_names_must_exist(registry: Registry):
    for fields, error in (
        ({"agent_id": new_id("agent")}, AgentNotFound),
        ({"agent_name": "nobody"}, AgentNotFound),
        ({"capabilities": ["nothing"]}, UnknownCapability),
        ({"model_id": "no/model"}, UnknownModel),
    ):
        with pytest.raises(error):
            await registry.sessions.create(wanted(**fields))


async def test_a_repeated_key_gives_one_session_even_at_once(registry: Registry):
    made = await asyncio.gather(*(registry.sessions.create(wanted(), KEY) for _ in range(10)))
    assert {session.id for session in made} == {made[0].id}
    with pytest.raises(IdempotencyKeyReused):
        await registry.sessions.create(wanted(), Idempotency(KEY.key, "another"))


async def test_initial_files_are_there_from_the_start(registry: Registry):
    session = await registry.sessions.create(
        wanted(initial_files=[{"path": "/notes/a.txt", "content": "hello"}])
    )
    file = await registry.files.read(session.workspace_id, "/notes/a.txt")
    assert file.content == b"hello"


async def test_a_log_is_read_back_as_it_was_appended(registry: Registry):
    session, log = await talked(registry)
    assert await registry.logs.events(session.id, EventQuery()) == log.events
    ends = await registry.logs.events(session.id, EventQuery(types=["session.completed"]))
    assert ends == log.events[-1:]
    stored = await registry.sessions.get(session.id)
    assert (stored.status, stored.preview, stored.output_preview) == ("idle", "hi", "hello")


async def test_messages_come_oldest_first_in_pages(registry: Registry):
    session, log = await talked(registry)
    page = await registry.logs.messages(session.id, 1, 2)
    assert page.data == log.state.messages[1:3]
    assert [message.role for message in page.data] == ["agent", "tool_result"]
    assert page.total == 4


async def test_two_who_append_the_same_place_do_not_both_succeed(registry: Registry):
    session = await registry.sessions.create(wanted())
    first, second = LogWriter(session.id), LogWriter(session.id)
    first.user("one")
    second.user("two")
    assert await stored(registry, first, "h0") is None
    assert isinstance(await stored(registry, second, "h0"), SequenceConflict)
    assert await stored(registry, first, "h0") is None, "a retry of what is stored succeeds"
    assert await registry.logs.events(session.id, EventQuery()) == first.events


async def test_a_session_that_does_not_exist_is_told_everywhere(registry: Registry):
    identity = new_id("session")
    log = LogWriter(identity)
    log.user("hi")
    assert isinstance(await stored(registry, log, "h0"), SessionNotFound)
    for asked in (
        registry.sessions.get(identity),
        registry.sessions.delete(identity),
        registry.hosting.place(identity),
        registry.hosting.load(identity, "h0"),
        registry.logs.events(identity, EventQuery()),
        registry.logs.messages(identity, 0, 10),
    ):
        with pytest.raises(SessionNotFound):
            await asked
    assert await registry.hosting.holder(identity) is None


async def test_a_deleted_session_frees_its_place_and_its_files(registry: Registry):
    session = await registry.sessions.create(wanted(initial_files=[{"path": "/a", "content": "x"}]))
    await registry.hosting.place(session.id)
    await registry.sessions.delete(session.id)
    assert await registry.hosting.holder(session.id) is None
    assert await registry.files.read(session.workspace_id, "/a") is None


async def test_a_write_that_arrives_after_the_deletion_stores_nothing(registry: Registry):
    session = await registry.sessions.create(wanted())
    await registry.sessions.delete(session.id)
    with pytest.raises(ToolError, match="deleted"):
        await registry.files.write(session.workspace_id, "/a", b"x", "text", by_tool=True)
    assert await registry.files.read(session.workspace_id, "/a") is None


async def test_messages_are_paged_by_bytes_as_well(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pages, "MAX_PAGE_BYTES", 1)
    session, _ = await talked(registry)
    seen: list[str] = []
    while len(seen) < 4:
        page = await registry.logs.messages(session.id, len(seen), 100)
        assert (len(page.data), page.total) == (1, 4)
        seen += [message.role for message in page.data]
    assert seen == ["user", "agent", "tool_result", "agent"]
    assert (await registry.logs.messages(session.id, 9, 100)).total == 4


async def test_a_session_that_is_too_large_as_a_whole_is_refused(registry: Registry):
    tool = {"name": "t", "description": "", "parameters": {"x": "y" * MAX_DEFINITION_BYTES}}
    with pytest.raises(TooLarge, match="All fields but initial_files"):
        await registry.sessions.create(wanted(tools=[tool]))
    assert (await registry.sessions.list(SessionQuery())).total == 0


async def test_a_session_just_created_is_gone_when_it_is_deleted(registry: Registry):
    session = await registry.sessions.create(wanted())
    await registry.sessions.delete(session.id)
    with pytest.raises(SessionNotFound):
        await registry.sessions.get(session.id)
    with pytest.raises(SessionNotFound):
        await registry.hosting.place(session.id)


async def test_requests_with_different_keys_do_not_wait_for_each_other():
    store = MemoryStore()
    database = Database(store)
    async with database.keyed("one"):
        assert database.keyed("one").locked()
        assert not database.keyed("two").locked()
    await database.close()


async def test_sessions_that_are_created_while_others_are_stored_are_stored_together():
    class SlowSessions(MemorySessions):
        def insert_many(self, new):
            batches.append(len(new))
            assert released.wait(PATIENCE_S)
            super().insert_many(new)

    batches: list[int] = []
    released = Event()
    store = MemoryStore()
    store.sessions = SlowSessions(store.contents)
    placement = Placement(sessions_per_host=2, warm_hosts=1, max_hosts=2)
    registry = Registry(store, load_capabilities(), placement)
    keys = [Idempotency.of("POST /v1/sessions", f"key {number}", b"body") for number in range(5)]
    first = asyncio.create_task(registry.sessions.create(wanted()))
    await eventually(lambda: batches)
    later = [asyncio.create_task(registry.sessions.create(wanted(), key)) for key in keys]
    again = asyncio.create_task(registry.sessions.create(wanted(), keys[0]))
    await eventually(lambda: len(registry.sessions._creations._waiting) == len(later))
    released.set()

    created = await asyncio.gather(first, *later)

    assert await again == created[1]
    assert [await registry.sessions.get(each.id) for each in created] == created
    assert sum(batches) == 6
    assert len(batches) < 6
    await registry.close()
