"""A host dies while it compacts a conversation: nothing is doubled, and nothing is stuck."""

import asyncio
from functools import partial
from random import Random

import pytest

from everruns.domain.events import TURN_ENDS
from tests.conversations import Conversation, when_there_is_room
from tests.simulated_model import MOST_MESSAGES
from tests.simulated_processes import SimulatedLoop
from tests.simulation import Cluster

PATIENCE_S = 120


@pytest.mark.parametrize("after_s", [0.0, 0.4, 0.6, 1.1, 1.6])
@pytest.mark.parametrize("kills", [1, 2])
def test_a_compaction_that_is_cut_off_is_carried_out_once(after_s: float, kills: int):
    async def story() -> None:
        cluster = Cluster(Random(int(after_s * 10)))
        await cluster.start()
        talk = await Conversation.begin(cluster.runtime("replica"))
        for number in range(MOST_MESSAGES // 2):
            await when_there_is_room(partial(talk.send, f"talk {number}"))
            assert (await talk.ended()).type == "session.completed"
        await when_there_is_room(partial(talk.send, "talk last"))
        for _ in range(kills):
            async with talk.reading() as reader:
                await reader.until_type("context.compacting")
            await asyncio.sleep(after_s)
            cluster.crash(cluster.registry.placement.find(talk.id))
        assert (await talk.ended()).type == "session.completed"
        types = [event.type for event in await talk.log()]
        assert types.count("context.compacting") == types.count("context.compacted") == 1
        assert sum(kind in TURN_ENDS for kind in types) == MOST_MESSAGES // 2 + 1
        assert cluster.witness.violations == []
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await story()

    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        runner.run(bounded())
