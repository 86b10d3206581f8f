"""A registry over a store in memory."""

from collections.abc import AsyncIterator

import pytest

from everruns.capabilities.registry import load_capabilities
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.storage.memory.store import MemoryStore


@pytest.fixture
def placement() -> Placement:
    placement = Placement(sessions_per_host=2, warm_hosts=1, max_hosts=2)
    placement.host_started("h0")
    return placement


@pytest.fixture
async def registry(placement: Placement) -> AsyncIterator[Registry]:
    registry = Registry(MemoryStore(), load_capabilities(), placement)
    yield registry
    await registry.close()
