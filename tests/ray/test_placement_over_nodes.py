"""Session actors on several nodes: they spread, and sessions outlive the nodes they are on."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from actors.local_model import local_model_installed
from everruns.domain.events import TURN_ENDS
from tests.conversations import Conversation, Reader, simulated, when_there_is_room
from tests.ray.node_cluster import NodeCluster, on_nodes, started_stage

# A turn of three seconds, and one that no drained node waits for.
SHORT = {"tokens": 60, "tokens_per_s": 20}
LONG = {"tokens": 200, "tokens_per_s": 20}
MOVED_AFTER_S = 7.0


@pytest.fixture(scope="module")
def stage() -> Iterator[ProcessPoolExecutor]:
    """A process that plays on a cluster whose session actors hold few sessions each."""
    with started_stage(warm_session_actors=2, sessions_per_actor=8) as stage:
        yield stage


def turns_ended(reader: Reader) -> int:
    return [event.type for event in reader.events].count("session.completed")


def assert_read_whole(reader: Reader, log: list) -> None:
    assert reader.events == log
    assert [event.sequence for event in log] == list(range(1, len(log) + 1))


@on_nodes
async def test_session_actors_reserve_cpus_and_spread_over_nodes_that_join(cluster: NodeCluster):
    import ray

    await cluster.until(lambda: len(cluster.hosts()) == 2)
    node = cluster.add_node()
    model = await simulated(cluster.runtime, reply="Hello.")
    talks = [await Conversation.begin(cluster.runtime, model_id=model) for _ in range(2)]
    for talk in talks:
        await talk.say("hi")
    await cluster.until(lambda: len(cluster.hosts()) == 4)

    assert len(cluster.hosts(node)) == 2, "the node that has joined gets the next ones"
    reserved = ray.cluster_resources()["CPU"] - ray.available_resources().get("CPU", 0.0)
    assert reserved == 0.5 * len(cluster.hosts())

    for talk in talks:
        await cluster.runtime.sessions.delete(talk.id)


@on_nodes
async def test_a_drained_node_hands_on_its_sessions_and_goes(cluster: NodeCluster):
    node = cluster.add_node()
    talking = await cluster.begin_on(node, **SHORT)
    resting = await cluster.begin_on(node, reply="Hello.")
    await resting.say("hi")
    await talking.send("hi")
    async with talking.reading() as talk, resting.reading() as rest:
        await talk.until(lambda: talk.deltas)
        cluster.drain_node(node)
        await cluster.until(lambda: not cluster.hosts(node))
        await talk.until_type("session.completed")
        await resting.send("are you there?")
        await rest.until(lambda: turns_ended(rest) == 2)
        assert_read_whole(talk, await talking.log())
        assert_read_whole(rest, await resting.log())
        assert len(talk.texts) == 1, "its turn ended where it was"
    await cluster.until(lambda: not cluster.is_alive(node))


@on_nodes
async def test_a_turn_that_outlasts_a_drained_node_goes_on_elsewhere(cluster: NodeCluster):
    node = cluster.add_node()
    talking = await cluster.begin_on(node, **LONG)
    await talking.send("hi")
    async with talking.reading() as talk:
        await talk.until(lambda: talk.deltas)
        cluster.drain_node(node, left_s=MOVED_AFTER_S)
        await cluster.until(lambda: not cluster.hosts(node), MOVED_AFTER_S)
        await talk.until_type(*TURN_ENDS)
        assert_read_whole(talk, await talking.log())
        assert talk.events[-1].type == "session.completed"
    await cluster.until(lambda: not cluster.is_alive(node))


@pytest.mark.skipif(not local_model_installed(), reason="the extra `local` is not installed")
@on_nodes
async def test_each_node_has_one_local_model_which_ends_with_the_last_session_actor_there(
    cluster: NodeCluster,
):
    node = cluster.add_node()
    await cluster.begin_on(node)

    here, again = await asyncio.gather(cluster.local_model(node), cluster.local_model(node))
    elsewhere = await cluster.local_model(cluster.ray.head_node)

    assert here == again
    assert here != elsewhere
    cluster.drain_node(node)  # Ray ends it when no actor is left.
    await cluster.until(lambda: not cluster.is_alive(node))


@on_nodes
async def test_new_sessions_are_taken_before_ray_declares_the_killed_node_of_every_actor_dead(
    cluster: NodeCluster,
):
    import ray

    node = cluster.add_node()
    talk = await cluster.begin_on(node, reply="Hello.")
    await talk.say("hi")
    for name in cluster.hosts() - cluster.hosts(node):
        ray.kill(ray.get_actor(name, namespace="everruns"), no_restart=True)

    cluster.kill_node(node)

    # Whoever asks is told to try again shortly until there is room: nothing else is answered.
    model = await simulated(cluster.runtime, reply="Hello.")
    new = await Conversation.begin(cluster.runtime, model_id=model)
    await when_there_is_room(lambda: new.send("hi"))
    assert cluster.is_alive(node), "as far as Ray knows"
    await when_there_is_room(new.ended)
    await when_there_is_room(lambda: talk.send("and you?"))
    await when_there_is_room(talk.ended)
    assert (await talk.messages())[-1].text == "Hello."
