"""The database is away: a client learns of it while it still waits, and nothing is lost."""

import asyncio
from collections.abc import Sequence
from random import Random

import pytest

from everruns.errors import StoreUnavailable, Unavailable
from everruns.storage.logs import Append, Verdict
from tests.conversations import Conversation
from tests.simulated_processes import SimulatedLoop
from tests.simulation import Cluster

# The usual client gives up after 30 s.
TOLD_WITHIN_S = 20.0
KEY = "a key of the client's"


@pytest.mark.parametrize("shares_store", [False, True])
def test_a_message_that_cannot_be_stored_is_refused_in_time_and_stored_once_when_it_is_sent_again(
    shares_store: bool,
):
    async def story() -> None:
        cluster = Cluster(Random(0), shares_store=shares_store)
        logs = cluster.store.logs
        append = logs.append
        await cluster.start()
        talk = await Conversation.begin(cluster.runtime("replica"))
        await talk.send("talk 1")
        await talk.ended()

        def refuse(_appends: Sequence[Append]) -> list[Verdict]:
            raise StoreUnavailable("The database does not answer.")

        logs.append = refuse
        clock = asyncio.get_running_loop()
        began = clock.time()
        with pytest.raises(Unavailable):
            await talk.send("talk 2", KEY)
        assert clock.time() - began < TOLD_WITHIN_S

        logs.append = append
        await talk.send("talk 2", KEY)
        await talk.ended()
        assert [message.text for message in await talk.messages()].count("talk 2") == 1
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        runner.run(story())
