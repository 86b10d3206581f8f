"""How a command finds the registry without Ray."""

import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from actors.calls.direct import DirectServer
from actors.calls.dispatch import dispatch
from actors.calls.registry_address import ADDRESS_FILE, publish, withdraw
from actors.calls.registry_stub import registry_of, registry_targets
from everruns.capabilities.registry import load_capabilities
from everruns.errors import AgentNotFound, HostLost
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.storage.memory.store import MemoryStore

Served = tuple[Registry, DirectServer]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A registry that is served to whoever can read ``tmp_path``."""
    registry = Registry(MemoryStore(), load_capabilities(), Placement(1, 1, 1))

    async def targets() -> dict[str, object]:
        return registry_targets(registry)

    server = DirectServer(partial(dispatch, targets))
    publish(tmp_path, await server.address())
    yield registry, server
    await server.close()
    await registry.close()


async def test_a_command_calls_the_registry_of_a_data_directory(served: Served, tmp_path: Path):
    registry, _ = served
    async with registry_of(tmp_path) as found:
        assert await found.providers.list() == await registry.providers.list()
        with pytest.raises(AgentNotFound):
            await found.agents.get("agent_missing")


async def test_only_the_user_can_read_the_address(served: Served, tmp_path: Path):
    assert (tmp_path / ADDRESS_FILE).stat().st_mode & 0o777 == 0o600


async def test_where_no_registry_runs_none_answers(tmp_path: Path):
    with pytest.raises(HostLost, match="No server answers"):
        async with registry_of(tmp_path):
            pass


async def test_a_registry_that_has_gone_does_not_answer(served: Served, tmp_path: Path):
    _, server = served
    await server.close()
    with pytest.raises(HostLost, match="No server answers"):
        async with registry_of(tmp_path):
            pass


async def test_a_new_life_of_the_registry_takes_the_place_of_the_one_before(
    served: Served, tmp_path: Path
):
    _, earlier = served
    again = DirectServer(earlier._respond)
    publish(tmp_path, await again.address())
    await earlier.close()
    async with registry_of(tmp_path) as found:
        assert await found.providers.list() == []
    await again.close()


async def test_a_registry_that_has_stopped_is_not_looked_for(served: Served, tmp_path: Path):
    withdraw(tmp_path)
    withdraw(tmp_path)
    with pytest.raises(HostLost, match="No server answers"):
        async with registry_of(tmp_path):
            pass


def test_a_command_that_calls_the_registry_does_not_load_ray():
    loaded = "import sys, actors.calls.registry_stub; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], check=False).returncode == 0


def test_ray_starts_before_what_serves_the_api_is_imported():
    loaded = (
        "import sys, actors.serving.server;"
        "sys.exit(not {'ray.serve', 'aiohttp', 'everruns.registry'}.isdisjoint(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", loaded], check=False).returncode == 0


def test_a_process_that_finds_the_registry_does_not_load_what_the_database_needs():
    # Ray imports the actor's module there.
    loaded = "import sys, actors.registry; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], check=False).returncode == 0
