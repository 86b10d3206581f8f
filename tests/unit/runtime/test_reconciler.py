"""Open turns that no host runs are resumed at once, whatever comes in between."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from everruns.capabilities.registry import load_capabilities
from everruns.errors import HostLost
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.runtime import reconciler as room
from everruns.runtime.reconciler import Reconciler
from everruns.storage.memory.logs import MemoryLogs
from everruns.storage.memory.store import MemoryStore
from tests.stored import append, events, session
from tests.waiting import eventually

TURNS = 20


class Host:
    """Resumes turns, or fails with all of them once it is let."""

    def __init__(self) -> None:
        self.resumed: list[str] = []
        self.held: list[str] = []
        self.is_lost = False
        self.fails = asyncio.Event()

    async def activate(self, session_id: str) -> None:
        if not self.is_lost:
            self.resumed.append(session_id)
            return
        self.held.append(session_id)
        await self.fails.wait()
        raise HostLost("It is gone.")


class Cluster:
    """A registry with open turns, and hosts by name."""

    def __init__(self) -> None:
        store = MemoryStore()
        for number in range(1, TURNS + 1):
            store.sessions.insert(session(number), log=append(number, events(number, 1)))
        self.placement = Placement(sessions_per_host=TURNS, warm_hosts=1, max_hosts=2)
        self.registry = Registry(store, load_capabilities(), self.placement)
        self.hosts: dict[str, Host] = {}
        self.reconciler = Reconciler(self.registry.hosting, self.find_host)

    async def find_host(self, name: str) -> Host:
        return self.hosts[name]

    def start(self, name: str, *, is_lost: bool = False) -> Host:
        host = self.hosts[name] = Host()
        host.is_lost = is_lost
        self.placement.host_started(name, node=name)
        return host


@pytest.fixture
async def cluster(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    # Nothing here may wait for the next look of itself.
    monkeypatch.setattr(room, "INTERVAL_S", 3600.0)
    cluster = Cluster()
    running = asyncio.create_task(cluster.reconciler.run())
    yield cluster
    running.cancel()
    cluster.reconciler.close()
    await cluster.registry.close()


async def test_turns_that_were_given_to_a_host_which_is_lost_as_well_are_given_to_the_next(
    cluster: Cluster,
):
    """A node has several hosts, and the loss of one may be known before that of the others.

    Calls to such a host fail late.
    """
    lost = cluster.start("lost", is_lost=True)
    cluster.reconciler.wake()
    await eventually(lambda: len(lost.held) == TURNS)
    host = cluster.start("host")

    cluster.placement.host_lost("lost")
    cluster.reconciler.wake()

    await eventually(lambda: len(host.resumed) == TURNS)
    assert set(host.resumed) == set(lost.held)


async def test_a_turn_is_tried_again_soon_where_its_host_fails_without_being_lost(
    cluster: Cluster,
):
    host = cluster.start("host", is_lost=True)
    cluster.reconciler.wake()
    await eventually(lambda: len(host.held) == TURNS)
    for session_id in host.held:  # It lets go of what it could not load.
        cluster.placement.release(session_id)
    host.is_lost = False
    host.fails.set()
    await eventually(lambda: len(host.resumed) == TURNS)


async def test_turns_that_find_no_room_are_resumed_as_soon_as_there_is_a_host(cluster: Cluster):
    cluster.reconciler.wake()
    await asyncio.sleep(0)
    host = cluster.start("host")
    await eventually(lambda: len(host.resumed) == TURNS)


async def test_the_store_is_not_asked_about_each_turn_that_it_has_told_of(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
):
    asked: list[object] = []
    monkeypatch.setattr(MemoryLogs, "heads", lambda _, session_ids: asked.append(session_ids))
    host = cluster.start("host")
    cluster.reconciler.wake()
    await eventually(lambda: len(host.resumed) == TURNS)
    assert not asked
