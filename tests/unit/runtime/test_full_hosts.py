"""Hosts that are full by bytes: what placement learns of them, and where sessions go instead."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from everruns.archive.analyst import Analyst
from everruns.capabilities.registry import load_capabilities
from everruns.domain.messages import SendMessage
from everruns.domain.sessions import SessionInput
from everruns.errors import CapacityExhausted
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.runtime.host import SessionHost
from everruns.runtime.runtime import Runtime
from everruns.settings import Settings
from everruns.storage.memory.store import MemoryStore
from tests.waiting import PATIENCE_S, POLL_S, eventually

BYTES_PER_HOST = 20_000
LARGE = "x" * (BYTES_PER_HOST + 10_000)


class Watcher:
    """Keeps a session in memory, as a reader does."""

    def changed(self, *, urgent: bool) -> None:
        """See nothing."""


class TwoHosts:
    """A runtime with the hosts A and B, of which A is up."""

    def __init__(self) -> None:
        settings = Settings(data_dir=Path("unused"), session_actor_bytes=BYTES_PER_HOST)
        self.settings = settings
        self.placement = Placement(100, 1, 2, bytes_per_host=BYTES_PER_HOST)
        self.registry = Registry(MemoryStore(), load_capabilities(), self.placement)
        self.hosts = {
            name: SessionHost(name, self.registry, load_capabilities(), settings) for name in "AB"
        }
        self.placement.host_started("A")
        analyst = Analyst(settings.data_dir, self.registry.history)
        self.runtime = Runtime(self.registry, self._find_host, analyst)

    async def _find_host(self, name: str) -> SessionHost:
        return self.hosts[name]

    async def say(self, text: str, session_id: str | None = None) -> str:
        """Take a turn, in a new session unless one is named; return the session."""
        if session_id is None:
            session_id = (await self.runtime.sessions.create(SessionInput())).id
        await self.runtime.sessions.send(session_id, SendMessage(content=text))
        async with asyncio.timeout(PATIENCE_S):
            while (await self.registry.sessions.get(session_id)).status != "idle":
                await asyncio.sleep(POLL_S)
        return session_id


@pytest.fixture
async def two() -> AsyncIterator[TwoHosts]:
    two = TwoHosts()
    await two.registry.seed(two.settings, has_local_model=False)
    yield two
    for host in two.hosts.values():
        await host.close()
    await two.registry.close()


async def fill(two: TwoHosts) -> str:
    """Fill host A with a session that is read; return another one that has been there."""
    quiet = await two.say("hi")
    large = await two.say(LARGE)
    (await two.hosts["A"].held.get(large)).watchers.add(Watcher())
    await two.hosts["A"].hibernate(0)
    assert list(two.hosts["A"].held.loaded) == [large]
    return quiet


async def test_a_session_whose_host_is_full_goes_to_one_that_has_room(two: TwoHosts):
    quiet = await fill(two)
    two.placement.host_started("B")
    await two.say("again", quiet)
    assert two.placement.find(quiet) == "B"


async def test_placement_learns_the_size_of_a_host_that_refuses(two: TwoHosts):
    quiet = await fill(two)
    two.placement.note_size("A", 0)
    with pytest.raises(CapacityExhausted):
        await two.say("again", quiet)
    assert two.placement.sizes["A"] >= BYTES_PER_HOST
    assert not two.placement.has_room


async def test_placement_learns_at_once_what_hibernation_has_freed(two: TwoHosts):
    await two.say("hi")
    two.placement.note_size("A", BYTES_PER_HOST)
    await eventually(lambda: not two.hosts["A"].held.loaded or two.hosts["A"].held.quiet)
    await two.hosts["A"].hibernate(0)
    assert two.placement.sizes["A"] == 0
