"""The names of agents in traces."""

from collections.abc import AsyncIterator

import pytest

from everruns.capabilities.registry import load_capabilities
from everruns.domain.agents import AgentInput, AgentPatch
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.runtime import tracing
from everruns.runtime.tracing import AgentNames
from everruns.storage.memory.store import MemoryStore


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    registry = Registry(MemoryStore(), load_capabilities(), Placement(1, 1, 1))
    yield registry
    await registry.close()


async def test_a_name_is_remembered_for_a_while(registry: Registry):
    agent, _ = await registry.agents.create(AgentInput(name="before"))
    names = AgentNames(registry.agents)
    assert await names(agent.id) == "before"
    await registry.agents.update(agent.id, AgentPatch(name="after"))
    assert await names(agent.id) == "before"


async def test_a_new_name_is_used_after_that(registry: Registry, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tracing, "REMEMBERED_S", 0.0)
    agent, _ = await registry.agents.create(AgentInput(name="before"))
    names = AgentNames(registry.agents)
    assert await names(agent.id) == "before"
    await registry.agents.update(agent.id, AgentPatch(name="after"))
    assert await names(agent.id) == "after"


async def test_an_agent_that_is_archived_has_no_name(registry: Registry):
    agent, _ = await registry.agents.create(AgentInput(name="before"))
    await registry.agents.archive(agent.id)
    assert await AgentNames(registry.agents)(agent.id) is None
