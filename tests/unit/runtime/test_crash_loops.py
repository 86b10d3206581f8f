"""A turn that ends every process it runs in is ended; one that was stopped by intent is not."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random

import pytest

from everruns.domain.events import Event
from everruns.runtime.turn import ALONE, CERTAIN
from everruns.storage.memory.store import MemoryStore
from everruns.turn_failures import TurnCrashed
from tests.conversations import Conversation, when_there_is_room
from tests.scripts import Gate, ScriptedDriver, local_runtime, says
from tests.simulated_processes import SimulatedLoop
from tests.simulation import Cluster

PATIENCE_S = 120
MAX_CRASHES = CERTAIN // ALONE


def on_a_cluster(story: Callable[[Cluster, Conversation], Awaitable[None]], hosts: int = 3) -> None:
    """Tell a story on a simulated cluster."""

    async def tell() -> None:
        cluster = Cluster(Random(1), hosts=hosts)
        await cluster.start()
        talk = await Conversation.begin(cluster.runtime("replica"))
        async with asyncio.timeout(PATIENCE_S):
            await story(cluster, talk)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        runner.run(tell())


async def outcome(talk: Conversation, text: str) -> Event:
    await when_there_is_room(lambda: talk.send(text))
    return await talk.ended()


def test_a_turn_that_crashes_its_host_three_times_is_ended_and_the_session_goes_on():
    async def story(cluster: Cluster, talk: Conversation) -> None:
        ended = await outcome(talk, "crash 99")
        assert ended.type == "session.failed"
        assert ended.data["error"]["code"] == TurnCrashed.code
        assert cluster.asked == ["crash 99"] * MAX_CRASHES
        assert (await outcome(talk, "talk 1")).type == "session.completed"

    on_a_cluster(story)


def test_a_turn_that_crashes_twice_completes():
    async def story(cluster: Cluster, talk: Conversation) -> None:
        assert (await outcome(talk, f"crash {MAX_CRASHES - 1}")).type == "session.completed"
        assert len(cluster.asked) == MAX_CRASHES

    on_a_cluster(story)


def test_what_the_turn_stored_in_between_counts_as_progress():
    async def story(cluster: Cluster, talk: Conversation) -> None:
        for round_ in range(2):
            assert (await outcome(talk, f"crash 2 {round_}")).type == "session.completed"
        assert len(cluster.asked) == 2 * MAX_CRASHES

    on_a_cluster(story)


def test_what_it_shares_with_others_is_no_proof_against_a_turn():
    """Three crashes of a host with two turns may be the other one's doing, or nobody's."""

    async def story(cluster: Cluster, talk: Conversation) -> None:
        talks = [talk, await Conversation.begin(talk.runtime)]
        crashing = f"crash {MAX_CRASHES - 1} "
        await asyncio.gather(
            *(when_there_is_room(partial(each.send, crashing + each.id)) for each in talks)
        )
        while cluster.store.sessions.unfinished():
            await asyncio.sleep(1)
        assert len(cluster.asked) > 2 * MAX_CRASHES - 1
        for each in talks:
            assert (await each.log())[-1].type == "session.completed"

    on_a_cluster(story, hosts=1)


@pytest.mark.parametrize("stops", [MAX_CRASHES + 2])
async def test_a_turn_that_is_stopped_by_intent_again_and_again_goes_on_in_the_end(stops: int):
    store = MemoryStore()
    session = None
    for _ in range(stops):
        gate = Gate()
        async with local_runtime(ScriptedDriver(says(gate)), store=store) as runtime:
            if session is None:
                talk = await Conversation.begin(runtime)
                session = talk.session
                await talk.send("hi")
            await gate.reached.wait()
    async with local_runtime(ScriptedDriver(says("At last.")), store=store) as runtime:
        assert (await Conversation(runtime, session).ended()).type == "session.completed"
