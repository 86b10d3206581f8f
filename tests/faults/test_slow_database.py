"""PostgreSQL that answers late: conversations go on, slower, and what takes too long is refused."""

import asyncio
import time
from contextlib import AsyncExitStack
from statistics import median

import psycopg
import pytest

from bench.postgres import PostgresServer
from tests.faults.client import connected
from tests.faults.report import REPORT
from tests.faults.slow_wire import SlowWire
from tests.faults.storm import script
from tests.faults.talk import Talk, World
from tests.waiting import eventually

CONVERSATIONS = 20
ROUND_TRIP_S = 0.05
# Longer than a server waits for what it stores.
REFUSED_WITHIN_S = 75.0
# How often the statement that appends was executed, and how many appends it stored.
APPENDED = """
    SELECT sum(calls), sum(rows) FROM pg_stat_statements
    WHERE query LIKE '%advanced AS%INSERT INTO events%'
"""

CREATED = """
    SELECT sum(calls), sum(rows) FROM pg_stat_statements WHERE query LIKE 'INSERT INTO sessions %'
"""


async def first_event_s(talk: Talk) -> float:
    """Send a message; return the seconds to its first event, when its turn is over."""
    sent = time.monotonic()
    await talk.send()
    await talk.follower.turn_ended(len(talk.sent))
    first = talk.follower.first_after(sent)
    assert first is not None
    return first - sent


async def test_many_conversations_at_once_share_the_round_trips(
    world_on_postgres: World, wire: SlowWire, database: PostgresServer
) -> None:
    async with (
        connected(lambda: world_on_postgres.service.address) as client,
        AsyncExitStack() as stack,
    ):
        model_id = await world_on_postgres.model_id(client)
        talks = [
            await stack.enter_async_context(world_on_postgres.talk_over(client, model_id, script))
            for _ in range(CONVERSATIONS)
        ]
        # Sessions are loaded now, and connections are open.
        await asyncio.gather(*map(first_event_s, talks))
        database.execute("SELECT pg_stat_statements_reset()")
        wire.delay_s = ROUND_TRIP_S / 2
        try:
            first_s = await asyncio.gather(*map(first_event_s, talks))
            [(statements, appends)] = database.execute(APPENDED)
        finally:
            wire.delay_s = 0.0

        print(f"first event after {median(first_s):.2f} s, {max(first_s):.2f} s at most")
        print(f"{appends} appends in {statements} statements")
        assert not client.repeated
        assert appends >= 2 * statements
        for talk in talks:
            await talk.check([])


async def test_sessions_that_are_created_at_once_share_the_round_trips(
    world_on_postgres: World, wire: SlowWire, database: PostgresServer
) -> None:
    async with connected(lambda: world_on_postgres.service.address) as client:
        database.execute("SELECT pg_stat_statements_reset()")
        wire.delay_s = ROUND_TRIP_S / 2
        try:
            await asyncio.gather(*(client.post("/v1/sessions", {}) for _ in range(CONVERSATIONS)))
            [(statements, sessions)] = database.execute(CREATED)
        finally:
            wire.delay_s = 0.0

        print(f"{sessions} sessions in {statements} statements")
        assert sessions >= 2 * statements


@pytest.mark.long
async def test_statements_that_take_too_long_are_refused_until_they_do_not(
    world_on_postgres: World, database: PostgresServer, database_name: str
) -> None:
    outcome = REPORT["PostgreSQL too slow"]
    async with world_on_postgres.talk(script) as talk:
        await talk.send()
        await talk.follower.turn_ended(1)

        with outcome.fault() as faults:
            with psycopg.connect(database.conninfo(database_name)) as other:
                other.execute("LOCK TABLE events IN EXCLUSIVE MODE")
                sending = asyncio.create_task(talk.send())
                await eventually(lambda: talk.client.refusals, REFUSED_WITHIN_S)
            back = time.monotonic()
            await sending
            await talk.follower.turn_ended(2)

        outcome.resumed(faults[0], back, talk.follower.first_after(back))
        assert all(status == 503 and wait for status, wait in talk.client.refusals)
        await talk.check(faults)
