"""A registry that is replaced learns of it and hands out nothing more."""

import asyncio

import pytest

from everruns.capabilities.registry import load_capabilities
from everruns.domain.sessions import SessionInput
from everruns.errors import RegistryReplaced
from everruns.registry import life
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.storage.memory.store import MemoryStore
from tests.waiting import PATIENCE_S


async def begun(store: MemoryStore) -> Registry:
    placement = Placement(sessions_per_host=2, warm_hosts=1, max_hosts=1)
    placement.host_started("h0")
    registry = Registry(store, load_capabilities(), placement)
    await registry.life.begin()
    return registry


async def ended(registry: Registry) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await registry.life.ended()


async def test_a_registry_that_was_replaced_can_take_no_session():
    store = MemoryStore()
    old, new = await begun(store), await begun(store)
    session = await new.sessions.create(SessionInput())
    with pytest.raises(RegistryReplaced):
        await old.hosting.load(session.id, "h0")
    assert await old.hosting.holder(session.id) is None
    await ended(old)
    assert (await new.hosting.load(session.id, "h0")).session == session


async def test_a_registry_that_takes_nothing_learns_that_it_was_replaced(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(life, "CHECK_EVERY_S", 0.001)
    store = MemoryStore()
    old = await begun(store)
    waiting = asyncio.create_task(ended(old))
    await asyncio.sleep(0)
    assert not waiting.done()
    await begun(store)
    await waiting
