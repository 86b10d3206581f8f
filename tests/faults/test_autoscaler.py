"""Ray's autoscaler adds a node before anything is refused, and takes it away without a loss."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from bench.cluster.namespaces import missing
from bench.cluster.nodes import Node
from bench.cluster.supply import Scaling
from tests.faults.client import Client, connected
from tests.faults.cluster import ClusterService, processes_on
from tests.faults.model import Answer, Say
from tests.faults.processes import Role
from tests.faults.talk import Talk, World, cluster_of, cluster_world
from tests.waiting import eventually

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(missing() is not None, reason=f"no machines of namespaces: {missing()}"),
]

# Two session actors fit on a node.
PER_ACTOR = 40
ROOM = 2 * PER_ACTOR
# A talk begins each second, with its stream.
PACE_S = 1.0
JOINED_WITHIN_S = 180.0
# A minute in which it is not needed, a quarter of one in which it is idle, and a busy machine.
GONE_WITHIN_S = 300.0
# A turn that still runs when its node is not needed any more, and for longer than a drained one
# would let it.
SLOW = "Take your time."
SLOW_S = 120.0


@pytest.fixture
def growing() -> Iterator[World]:
    """One node, to which Ray's autoscaler adds another one, a model and tools that both reach."""
    settings = {
        "warm_session_actors": 1,
        "sessions_per_actor": PER_ACTOR,
        "hibernate_after_s": 5,
        "allow_private_addresses": True,
    }
    with cluster_world(1, cpus=1, scaling=Scaling(most=2), settings=settings) as world:
        yield world


def script(_number: int, text: str) -> list[Answer]:
    return [[Say(400, SLOW_S) if text.endswith(SLOW) else Say(3)]]


@dataclass
class Crowd:
    """Talks whose streams stay open until they leave.

    Attributes:
        on_head: Those whose session began on the head.
        on_worker: Those whose session began on the node that was added.
    """

    service: ClusterService
    world: World
    client: Client
    model_id: str
    on_head: list[Talk] = field(default_factory=list[Talk])
    on_worker: list[Talk] = field(default_factory=list[Talk])
    _stacks: dict[str, AsyncExitStack] = field(default_factory=dict[str, AsyncExitStack])

    def __len__(self) -> int:
        return len(self._stacks)

    async def grow(self, enough: Callable[[], object], most: int) -> None:
        """Add a talk each second until it is enough, but no more than some number."""
        async with asyncio.timeout(JOINED_WITHIN_S):
            while not enough():
                if len(self) < most:
                    await self._add()
                await asyncio.sleep(PACE_S)

    async def _add(self) -> None:
        """Add a talk that has had one turn."""
        stack = AsyncExitStack()
        talk = await stack.enter_async_context(
            self.world.talk_over(self.client, self.model_id, script)
        )
        self._stacks[talk.session_id] = stack
        await talk.send()
        await talk.follower.turn_ended(1)
        is_on_head = self.service.node_at(talk.scenario.calls[-1].host).is_head
        (self.on_head if is_on_head else self.on_worker).append(talk)

    async def leave_all_but(self, talks: Sequence[Talk]) -> None:
        """End the streams of all talks but some."""
        staying = {talk.session_id for talk in talks}
        for session_id in self._stacks.keys() - staying:
            await self._stacks.pop(session_id).aclose()


@asynccontextmanager
async def gathered(world: World) -> AsyncIterator[Crowd]:
    async with connected(lambda: world.service.address) as client:
        crowd = Crowd(cluster_of(world), world, client, await world.model_id(client))
        try:
            yield crowd
        finally:
            await crowd.leave_all_but([])


async def test_a_node_joins_before_a_send_is_refused_and_is_taken_away_without_a_loss(
    growing: World,
) -> None:
    nodes = cluster_of(growing).cluster.nodes
    async with gathered(growing) as crowd:
        await crowd.grow(lambda: session_actors(nodes[0]) == 2, most=PER_ACTOR - 1)
        await crowd.grow(lambda: len(nodes) == 2, most=ROOM)
        asked_at, asked_with = time.monotonic(), len(crowd)
        assert asked_with < ROOM, "a node is asked for while there is room"
        await crowd.grow(lambda: len(crowd.on_worker) >= 2, most=ROOM - 1)
        print(f"used {time.monotonic() - asked_at:.1f} s after it was asked for: {asked_with}")
        assert not crowd.client.repeated, "nothing was refused"

        slow, resting = crowd.on_worker[:2]
        stay = [slow, resting, crowd.on_head[0]]
        worker = nodes[1].machine.ip
        await slow.send(SLOW)
        await crowd.leave_all_but(stay)
        left_at = time.monotonic()
        await eventually(lambda: len(nodes) == 1, GONE_WITHIN_S)
        print(f"gone {time.monotonic() - left_at:.1f} s after the load")
        await slow.follower.turn_ended(2)
        assert slow.scenario.calls[-1].host == worker, "its turn ended where it was"
        for talk in stay:
            await talk.send()
            await talk.follower.turn_ended(len(talk.sent))
            await talk.check([])
            assert talk.scenario.calls[-1].host == nodes[0].machine.ip
        assert not crowd.client.repeated
        assert not crowd.client.strange


def session_actors(node: Node) -> int:
    return len(processes_on(node, Role.SESSION_ACTOR))
