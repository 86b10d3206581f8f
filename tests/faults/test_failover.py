"""PostgreSQL fails over to a synchronous standby while conversations run."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from bench.postgres_standby import Pair, synchronous_pair
from tests.faults.report import REPORT
from tests.faults.storm import ride_out, script
from tests.faults.talk import World, running_world
from tests.waiting import eventually

# What a store does meanwhile, and a server without its database, is tried in each run.
pytestmark = pytest.mark.long

CONVERSATIONS = 20
BEFORE_S = 3.0
AFTER_S = 3.0
# Longer than a server waits for what it stores.
REFUSED_WITHIN_S = 75.0


@pytest.fixture
def pair() -> Iterator[Pair]:
    with synchronous_pair() as pair:
        yield pair


@pytest.fixture
def world(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    url = pair.url(pair.primary.create_database())
    with running_world(tmp_path_factory.mktemp("failover"), DATABASE_URL=url) as world:
        yield world


@pytest.mark.parametrize("away_s", [5.0, 60.0])
async def test_conversations_go_on_after_a_failover(
    world: World, pair: Pair, away_s: float
) -> None:
    outcome = REPORT[f"PostgreSQL away for {away_s:g} s, then its standby"]
    faults: list[float] = []

    async def fail_over(until: float) -> list[float]:
        await asyncio.sleep(BEFORE_S)
        faults.append(time.monotonic())
        await asyncio.to_thread(pair.primary.kill)
        await asyncio.sleep(away_s)
        await asyncio.to_thread(pair.standby.promote)
        faults.append(time.monotonic())
        return faults

    talks = await ride_out(world, outcome, CONVERSATIONS, BEFORE_S + away_s + AFTER_S, fail_over)

    killed, promoted = faults
    for talk in talks:
        outcome.resumed(killed, promoted, talk.follower.first_after(promoted))
        assert all(is_503(*refusal) for refusal in talk.client.refusals)


async def test_nothing_is_acknowledged_while_the_synchronous_standby_is_away(
    world: World, pair: Pair
) -> None:
    outcome = REPORT["the synchronous standby away"]
    async with world.talk(script) as talk:
        await talk.send()
        await talk.follower.turn_ended(1)

        with outcome.fault() as faults:
            await asyncio.to_thread(pair.standby.kill)
            sending = asyncio.create_task(talk.send())
            await eventually(lambda: talk.client.refusals, REFUSED_WITHIN_S)
            read_meanwhile = await talk.client.log(talk.session_id)
            await asyncio.to_thread(pair.standby.start)
            back = time.monotonic()
            await sending
            await talk.follower.turn_ended(2)

        outcome.resumed(faults[0], back, talk.follower.first_after(back))
        assert read_meanwhile == (await talk.check(faults))[: len(read_meanwhile)]
        assert all(is_503(*refusal) for refusal in talk.client.refusals)


def is_503(status: int, retry_after: str | None) -> bool:
    """Tell whether an answer says that the database is away, and when to ask again."""
    return status == 503 and retry_after is not None
