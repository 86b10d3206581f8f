"""A session that does not exist: it is not found, and takes no place."""

import asyncio
from random import Random

import pytest

from everruns.domain.messages import SendMessage
from everruns.errors import SessionNotFound
from everruns.ids import new_id
from everruns.runtime.feed.cursor import Cursor
from tests.simulated_processes import SimulatedLoop
from tests.simulation import Cluster


@pytest.mark.parametrize("shares_store", [False, True])
def test_it_is_not_found_and_takes_no_place(shares_store: bool):
    async def story() -> None:
        cluster = Cluster(Random(0), shares_store=shares_store)
        await cluster.start()
        sessions = cluster.runtime("replica").sessions
        unknown = new_id("session")
        with pytest.raises(SessionNotFound):
            await sessions.send(unknown, SendMessage.model_validate({"content": "hi"}))
        with pytest.raises(SessionNotFound):
            await sessions.stream(unknown, Cursor())
        assert cluster.holders(unknown) == []
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        runner.run(story())
