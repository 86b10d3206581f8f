"""A client that reads nothing costs nothing and loses nothing."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import pytest

from tests.faults.model import Answer, Say, Stop
from tests.faults.processes import Role
from tests.faults.report import REPORT
from tests.faults.talk import Talk, World

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

SILENT_S = 60.0
STREAMED_S = 50.0
WORDS, LETTERS = 10_000, 1_000
GROWTH_BYTES = 60_000_000
OTHERS_WITHIN_S = 10.0


def script(number: int, text: str) -> list[Answer]:
    if "at length" in text:
        return [[Stop("begin"), Say(WORDS, STREAMED_S, "x" * LETTERS), Stop("last"), Say(1)]]
    return [[Say(3)]]


@asynccontextmanager
async def growth(*processes: psutil.Process) -> AsyncIterator[dict[int, int]]:
    """Watch processes; yield the largest growth of each one's memory so far, in bytes."""
    began = {process.pid: process.memory_info().rss for process in processes}
    grown = dict.fromkeys(began, 0)

    async def watch() -> None:
        while True:
            for process in processes:
                now = process.memory_info().rss - began[process.pid]
                grown[process.pid] = max(grown[process.pid], now)
            await asyncio.sleep(0.5)

    watching = asyncio.create_task(watch())
    try:
        yield grown
    finally:
        watching.cancel()


async def turns_meanwhile(talk: Talk, until: float) -> list[float]:
    """Take turns with another session; return the seconds that each took."""
    took: list[float] = []
    while time.monotonic() < until:
        sent = time.monotonic()
        await talk.send()
        await talk.follower.turn_ended(len(took) + 1)
        took.append(time.monotonic() - sent)
        await asyncio.sleep(1)
    return took


async def test_one_that_reads_nothing_for_a_minute(world: World) -> None:
    outcome = REPORT["slow reader"]
    async with world.talk(script) as slow, world.talk(script) as other:
        gates = slow.scenario.gates
        gates["begin"].hold()
        gates["last"].hold()
        await slow.send("Talk at length.")
        await slow.follower.until(lambda: slow.follower.events)
        await gates["begin"].reached()
        holder = await slow.holder()
        (replica,) = world.service.processes(Role.REPLICA)

        with outcome.fault() as faults:
            slow.follower.reading.clear()
            async with growth(holder, replica) as grown:
                gates["begin"].open()
                took = await turns_meanwhile(other, time.monotonic() + SILENT_S)
                await gates["last"].reached()
                seen = dict(grown)
            slow.follower.reading.set()
            gates["last"].open()
            ending = await slow.follower.turn_ended(1)

        print(f"grown by {seen}, turns took {max(took):.2f} s", flush=True)
        assert ending["type"] == "session.completed"
        assert all(bytes_grown < GROWTH_BYTES for bytes_grown in seen.values()), seen
        assert max(took) < OTHERS_WITHIN_S
        log = await slow.check(faults)
        text = next(e["data"]["message"] for e in reversed(log) if e["type"] == "message.created")
        assert len(text["content"][0]["text"]) > WORDS * LETTERS
        await other.check([])
