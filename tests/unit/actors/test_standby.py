"""Of two registries, one answers and the other stands by: when that takes over, and where it is."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial

import pytest
from ray.exceptions import RayError
from structlog.testing import capture_logs

from actors import standby as room
from actors.calls import network
from actors.calls.direct import DirectServer
from actors.calls.dispatch import dispatch
from actors.nodes import Nodes
from actors.standby import SUCCESSION, Standby, Succession
from actors.standby_keeper import StandbyKeeper
from everruns.address import Address
from everruns.errors import EverrunsError, RegistryReplaced, StoreUnavailable
from everruns.registry.database import Database
from everruns.registry.life import Life
from everruns.storage.memory.store import MemoryStore
from tests.waiting import PATIENCE_S, eventually

HERE, THERE = "this node", "another node"
HOST = "127.0.0.3"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ANSWER_EVERY_S", 0.01)
    monkeypatch.setattr(room, "RETRY_S", 0.01)


class Other:
    """The other registry: its server on another node, and what it says of itself."""

    def __init__(self, life: Life) -> None:
        self.has_begun = True
        self.problem: EverrunsError | None = None
        self.life = life
        self.succession = Succession(life)
        self.server = DirectServer(partial(dispatch, self._targets), THERE, HOST)
        self.asked = 0

    async def _targets(self) -> Mapping[str, object]:
        if self.problem is not None:
            raise self.problem
        return {SUCCESSION: self.succession}

    async def begun(self) -> bool:
        self.asked += 1
        return self.has_begun

    async def address(self) -> Address | None:
        return await self.server.address(on_network=True)

    def step_down(self) -> None:
        self.has_begun, self.problem = False, RegistryReplaced("Another one has taken over.")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def other(store: MemoryStore) -> AsyncIterator[Other]:
    life = Life(Database(store))
    await life.begin()
    other = Other(life)
    yield other
    await other.server.close()


def standing_by(store: MemoryStore, other: Other | None, *, is_first: bool = True) -> Standby:
    def find() -> Other:
        if other is None:
            raise ValueError("There is no actor of this name.")
        return other

    newest = partial(asyncio.to_thread, store.registry.newest_life)
    return Standby(HERE, is_first=is_first, find_other=find, newest_life=newest)


@pytest.fixture
async def waiting(store: MemoryStore, other: Other) -> AsyncIterator[asyncio.Task[None]]:
    """A registry that stands by, and follows the other one."""
    standby = standing_by(store, other, is_first=False)
    waiting = asyncio.create_task(standby.wait())
    await eventually(lambda: standby._followed == other.life.number)
    assert other.succession.follower(10) == HERE
    yield waiting
    waiting.cancel()


async def test_the_only_registry_begins(store: MemoryStore):
    await asyncio.wait_for(standing_by(store, None).wait(), PATIENCE_S)


async def test_of_two_that_start_at_once_the_first_begins(store: MemoryStore, other: Other):
    other.has_begun = False
    await asyncio.wait_for(standing_by(store, other).wait(), PATIENCE_S)
    assert other.asked == 1
    await asyncio.wait_for(standing_by(store, other, is_first=False).wait(), PATIENCE_S)
    assert other.asked == 1 + room.TRIES, "the second gives it some time"


async def test_it_stands_by_as_long_as_the_other_one_answers(
    waiting: asyncio.Task[None], other: Other
):
    other.problem = StoreUnavailable("The database does not answer.")
    await asyncio.sleep(0)
    other.problem = None
    heard_at = other.succession._heard_at
    await eventually(lambda: other.succession._heard_at > heard_at)
    assert not waiting.done()


async def test_it_takes_over_when_the_other_process_has_ended(
    waiting: asyncio.Task[None], other: Other
):
    await other.server.close()
    await asyncio.wait_for(waiting, PATIENCE_S)


async def test_it_takes_over_when_the_other_machine_is_silent(
    waiting: asyncio.Task[None], other: Other, monkeypatch: pytest.MonkeyPatch
):
    async def reach(*_: object) -> None:
        raise network.MachineSilentError("It does not answer.")

    monkeypatch.setattr(network, "_reach", reach)
    for connection in other.server._connections:
        connection.transport.abort()
    await asyncio.wait_for(waiting, PATIENCE_S)


@pytest.mark.parametrize("error", [TimeoutError, ConnectionResetError])
async def test_a_registry_that_stands_still_or_is_too_busy_is_waited_for(
    waiting: asyncio.Task[None],
    other: Other,
    monkeypatch: pytest.MonkeyPatch,
    error: type[OSError],
):
    """Its machine goes on accepting connections, and later it goes on with its work."""
    refused = asyncio.Event()

    async def no_answer(*_: object) -> None:
        refused.set()
        raise error

    with monkeypatch.context() as still:
        still.setattr("actors.calls.direct.authenticate_server", no_answer)
        for connection in other.server._connections:
            connection.transport.abort()
        await refused.wait()
    heard_at = other.succession._heard_at
    await eventually(lambda: other.succession._heard_at > heard_at)
    assert not waiting.done()


async def test_a_registry_that_another_cluster_has_replaced_is_not_followed_by_its_second(
    waiting: asyncio.Task[None], store: MemoryStore, other: Other
):
    """The two clusters would replace each other for ever."""
    store.registry.begin_life()
    other.step_down()
    await eventually(lambda: other.asked > room.TRIES + 1)
    assert not waiting.done()


async def test_a_registry_that_was_never_reached_is_not_replaced(store: MemoryStore, other: Other):
    """There may be a firewall in between."""
    await other.address()
    await other.server.close()
    waiting = asyncio.create_task(standing_by(store, other).wait())
    await eventually(lambda: other.asked > 2)
    assert not waiting.done()
    waiting.cancel()


# Where it is


class Cluster:
    """A cluster with a registry on ``here``, and what is done with the other one."""

    def __init__(self, succession: Succession) -> None:
        self.nodes = Nodes({"here": 2.0}, {})
        self.started: list[str] = []
        self.stopped = 0
        self.errors: list[Exception] = []
        self.keeper = StandbyKeeper("here", succession, lambda: self.nodes, self._start, self._stop)

    def _start(self, node: str) -> None:
        if self.errors:
            raise self.errors.pop()
        self.started.append(node)

    def _stop(self) -> None:
        self.stopped += 1


@pytest.fixture
async def cluster(other: Other) -> Cluster:
    return Cluster(other.succession)


async def test_a_registry_alone_on_its_node_has_no_second(cluster: Cluster):
    await cluster.keeper.look()
    assert cluster.started == []


async def test_the_second_is_started_on_the_largest_other_node(cluster: Cluster):
    cluster.nodes = Nodes({"here": 8.0, "head": 0.0, "worker": 4.0}, {"drained": 60.0})
    await cluster.keeper.look()
    assert cluster.started == ["worker"]


async def test_a_second_that_stands_by_on_another_node_is_left_there(
    cluster: Cluster, other: Other
):
    cluster.nodes = Nodes({"here": 2.0, "there": 2.0, "elsewhere": 4.0}, {})
    await other.succession.follow("there", None)
    await cluster.keeper.look()
    assert (cluster.started, cluster.stopped) == ([], 0)


@pytest.mark.parametrize("error", [RayError("away"), ValueError("the name is free")])
async def test_a_second_that_cannot_be_started_is_tried_again(
    cluster: Cluster, error: Exception, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("actors.standby_keeper.KEEP_EVERY_S", 0.01)
    cluster.nodes = Nodes({"here": 2.0, "there": 2.0}, {})
    cluster.errors.append(error)
    keeping = asyncio.create_task(cluster.keeper.keep())
    await eventually(lambda: cluster.started)
    keeping.cancel()
    assert not cluster.errors


async def test_the_log_has_no_password_that_an_error_quotes(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("actors.standby_keeper.KEEP_EVERY_S", 0.01)
    cluster.nodes = Nodes({"here": 2.0, "there": 2.0}, {})
    cluster.errors.append(ValueError("postgresql://app:passw0rd@db/app is away"))
    with capture_logs() as lines:
        keeping = asyncio.create_task(cluster.keeper.keep())
        await eventually(lambda: cluster.started)
        keeping.cancel()
    assert [line["error"] for line in lines] == ["ValueError"]
    assert "passw0rd" not in str(lines)


@pytest.mark.parametrize("node", ["here", "drained"])
async def test_a_second_that_would_go_with_the_first_or_soon_is_moved(
    cluster: Cluster, other: Other, node: str
):
    cluster.nodes = Nodes({"here": 2.0, "there": 2.0}, {"drained": 60.0})
    await other.succession.follow(node, None)
    await cluster.keeper.look()
    assert (cluster.started, cluster.stopped) == ([], 1)
