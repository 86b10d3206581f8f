"""Agents: create, replace, change, archive."""

import asyncio
from threading import Event
from typing import Any

import pytest

from everruns.domain.agents import (
    MAX_DEFINITION_BYTES,
    MAX_INITIAL_FILES_BYTES,
    Agent,
    AgentInput,
    AgentPatch,
)
from everruns.domain.idempotency import Idempotency
from everruns.domain.llm import ProviderInput
from everruns.domain.tools import ToolDefinition
from everruns.errors import (
    AgentNotFound,
    IdempotencyKeyReused,
    StoreUnavailable,
    TooLarge,
    UnknownCapability,
    UnknownModel,
)
from everruns.ids import new_id
from everruns.registry.registry import Registry
from everruns.storage.agents import AgentQuery
from everruns.storage.memory.agents import MemoryAgents
from tests.waiting import PATIENCE_S, eventually

KEY = Idempotency.of("POST /v1/agents", "key", b"body")


def wanted(**fields: Any) -> AgentInput:
    return AgentInput.model_validate({"name": "a", **fields})


def patch(**fields: Any) -> AgentPatch:
    return AgentPatch.model_validate(fields)


async def test_names_are_labels_and_may_repeat(registry: Registry):
    first, _ = await registry.agents.create(wanted())
    second, new = await registry.agents.create(wanted())
    assert new
    assert first.id != second.id


async def test_an_id_that_exists_is_replaced_and_one_that_does_not_is_created(registry: Registry):
    identity = new_id("agent")
    first, is_new = await registry.agents.create(wanted(id=identity, description="old"))
    again, is_new_again = await registry.agents.create(wanted(id=identity, system_prompt="new"))
    assert (is_new, is_new_again) == (True, False)
    assert (again.id, again.created_at) == (identity, first.created_at)
    assert (again.description, again.system_prompt) == (None, "new")
    assert (await registry.agents.list(AgentQuery())).total == 1


async def test_an_agent_is_looked_up_by_its_name_once(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    agent, _ = await registry.agents.create(wanted())
    assert await registry.agents.get_by_name("a") == agent

    def unavailable(_name: str) -> None:
        raise StoreUnavailable("down")

    monkeypatch.setattr(registry.agents._store.agents, "find_by_name", unavailable)
    assert await registry.agents.get_by_name("a") == agent


async def test_a_name_means_another_agent_as_soon_as_agents_change(registry: Registry):
    agents = registry.agents
    first, _ = await agents.create(wanted())
    assert await agents.get_by_name("a") == first
    second, _ = await agents.create(wanted())
    assert await agents.get_by_name("a") == second
    renamed = await agents.update(second.id, patch(name="b"))
    assert (await agents.get_by_name("a"), await agents.get_by_name("b")) == (first, renamed)
    await agents.archive(first.id)
    with pytest.raises(AgentNotFound):
        await agents.get_by_name("a")


async def test_a_name_that_is_looked_up_while_agents_change_is_not_remembered(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    first, _ = await registry.agents.create(wanted())
    find, begun, released = registry.agents._store.agents.find_by_name, Event(), Event()

    def slowly(name: str) -> Agent | None:
        found = find(name)
        begun.set()
        assert released.wait(PATIENCE_S)
        return found

    monkeypatch.setattr(registry.agents._store.agents, "find_by_name", slowly)
    finding = asyncio.ensure_future(registry.agents.get_by_name("a"))
    await eventually(begun.is_set)
    second, _ = await registry.agents.create(wanted())
    released.set()
    assert await finding == first
    assert await registry.agents.get_by_name("a") == second


FILE = {"path": "/f", "content": "x" * (MAX_INITIAL_FILES_BYTES // 10)}
TOOL = {"name": "t", "description": "", "parameters": {"x": "y" * (MAX_DEFINITION_BYTES // 3)}}


@pytest.mark.parametrize(
    ("fields", "named"),
    [({"initial_files": [FILE] * 11}, "initial_files"), ({"tools": [TOOL] * 3}, "All fields but")],
)
async def test_an_agent_that_is_too_large_as_a_whole_is_refused(
    registry: Registry, fields: dict[str, Any], named: str
):
    with pytest.raises(TooLarge, match=named):
        await registry.agents.create(wanted(**fields))
    agent, _ = await registry.agents.create(wanted())
    with pytest.raises(TooLarge, match=named):
        await registry.agents.update(agent.id, patch(**fields))
    assert await registry.agents.get(agent.id) == agent


async def test_an_agent_that_an_earlier_version_let_grow_is_read_and_can_be_made_smaller(
    registry: Registry,
):
    agent, _ = await registry.agents.create(wanted(description="d"))
    large = agent.model_copy(update={"tools": [ToolDefinition.model_validate(TOOL)] * 9})
    registry.agents._store.agents.put(large)
    registry.agents._known.clear()
    assert (await registry.agents.list(AgentQuery())).data == [large]
    assert await registry.agents.get(agent.id) == large
    with pytest.raises(TooLarge):
        await registry.agents.update(agent.id, patch(description="e"))
    assert (await registry.agents.update(agent.id, patch(tools=[]))).tools == []


async def test_by_name_an_active_agent_is_replaced(registry: Registry):
    first, _ = await registry.agents.create(wanted(), by_name=True)
    again, is_new = await registry.agents.create(wanted(description="d"), by_name=True)
    assert (again.id, again.description, is_new) == (first.id, "d", False)


async def test_by_name_at_once_only_one_agent_is_created(registry: Registry):
    made = await asyncio.gather(
        *(registry.agents.create(wanted(), by_name=True) for _ in range(10))
    )
    assert len({agent.id for agent, _ in made}) == 1
    assert sum(is_new for _, is_new in made) == 1


async def test_a_repeated_key_answers_as_the_first_time_even_at_once(registry: Registry):
    made = await asyncio.gather(*(registry.agents.create(wanted(), KEY) for _ in range(10)))
    assert {agent.id for agent, _ in made} == {made[0][0].id}
    assert all(is_new for _, is_new in made)
    assert (await registry.agents.list(AgentQuery())).total == 1


async def test_a_key_with_another_body_is_refused(registry: Registry):
    await registry.agents.create(wanted(), KEY)
    with pytest.raises(IdempotencyKeyReused):
        await registry.agents.create(wanted(), Idempotency(KEY.key, "another"))


async def test_an_unknown_capability_or_model_is_refused_and_named(registry: Registry):
    with pytest.raises(UnknownCapability, match="no_such_thing"):
        await registry.agents.create(wanted(capabilities=["no_such_thing"]))
    with pytest.raises(UnknownModel, match="no/model"):
        await registry.agents.create(wanted(default_model_id="no/model"))
    agent, _ = await registry.agents.create(wanted())
    with pytest.raises(UnknownCapability):
        await registry.agents.update(agent.id, patch(capabilities=["no_such_thing"]))
    with pytest.raises(UnknownModel):
        await registry.agents.update(agent.id, patch(default_model_id="no/model"))


async def test_a_model_that_is_offered_is_taken(registry: Registry):
    provider = await registry.providers.add(ProviderInput(name="p", provider_type="simulated"))
    named = provider.models[0]
    for name in (named.id, named.qualified_name):
        agent, _ = await registry.agents.create(wanted(default_model_id=name))
        assert agent.default_model_id == name


async def test_changes_made_at_once_are_all_kept(registry: Registry):
    agent, _ = await registry.agents.create(wanted())
    await asyncio.gather(
        registry.agents.update(agent.id, patch(description="d")),
        registry.agents.update(agent.id, patch(system_prompt="s")),
        registry.agents.update(agent.id, patch(tags=["t"])),
    )
    changed = await registry.agents.get(agent.id)
    assert (changed.description, changed.system_prompt, changed.tags) == ("d", "s", ["t"])


async def test_an_archived_agent_is_gone_but_its_sessions_still_find_it(registry: Registry):
    agent, _ = await registry.agents.create(wanted())
    await registry.agents.archive(agent.id)
    assert (await registry.agents.list(AgentQuery())).total == 0
    for gone in (
        registry.agents.get(agent.id),
        registry.agents.get_by_name("a"),
        registry.agents.archive(agent.id),
        registry.agents.update(agent.id, patch(tags=[])),
    ):
        with pytest.raises(AgentNotFound):
            await gone
    assert (await registry.configuration(agent.id)).agent.status == "archived"


async def test_a_change_at_once_with_archiving_does_not_bring_an_agent_back(registry: Registry):
    agent, _ = await registry.agents.create(wanted())
    await asyncio.gather(
        registry.agents.update(agent.id, patch(description="d")),
        registry.agents.archive(agent.id),
        return_exceptions=True,
    )
    assert (await registry.agents.find(agent.id)).status == "archived"


async def test_lists_come_in_pages_newest_first(registry: Registry):
    made = [(await registry.agents.create(wanted(name=f"n{number}")))[0] for number in range(5)]
    page = await registry.agents.list(AgentQuery(offset=1, limit=2))
    assert [agent.id for agent in page.data] == [made[3].id, made[2].id]
    assert (page.total, page.offset, page.limit) == (5, 1, 2)
    found = await registry.agents.list(AgentQuery(search="N3"))
    assert [agent.name for agent in found.data] == ["n3"]


async def test_every_change_of_agents_and_providers_advances_the_revision(registry: Registry):
    seen = [(await registry.configuration(None)).revision]

    async def note() -> None:
        seen.append((await registry.configuration(None)).revision)

    agent, _ = await registry.agents.create(wanted())
    await note()
    await registry.agents.update(agent.id, patch(tags=["t"]))
    await note()
    await registry.agents.archive(agent.id)
    await note()
    provider = await registry.providers.add(ProviderInput(name="p", provider_type="simulated"))
    await note()
    await registry.providers.delete(provider.id)
    await note()
    assert seen == sorted(set(seen))


async def test_a_new_agent_waits_for_no_other_one(registry: Registry, monkeypatch):
    put, reached, released = MemoryAgents.put, Event(), Event()

    def slow(self, agent, receipt=None):
        if agent.name == "slow":
            reached.set()
            assert released.wait(PATIENCE_S)
        put(self, agent, receipt)

    monkeypatch.setattr(MemoryAgents, "put", slow)
    waiting = asyncio.create_task(registry.agents.create(wanted(name="slow")))
    await eventually(reached.is_set)
    agent, is_new = await registry.agents.create(wanted(name="quick"))
    assert is_new
    assert not waiting.done()
    released.set()
    slow_agent, _ = await waiting
    assert {agent.id, slow_agent.id} == {
        each.id for each in (await registry.agents.list(AgentQuery())).data
    }
