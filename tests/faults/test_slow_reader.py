"""A client that reads nothing costs nothing and loses nothing."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import pytest

from tests.faults.model import Answer, Call, Say, Stop
from tests.faults.processes import Role
from tests.faults.report import REPORT
from tests.faults.talk import Talk, World

pytestmark = pytest.mark.long

SILENT_S = 60.0
# An answer is at most 1 MB long, so ten megabytes are many answers with a tool call in between.
ANSWERS, WORDS, LETTERS = 12, 850, 1_000
ANSWER_S = 4.0
# The session actor also keeps the whole conversation and sends it to the model each time.
GROWTH_MB = {Role.REPLICA: 60, Role.SESSION_ACTOR: 150}
OTHERS_WITHIN_S = 10.0
ALL_WITHIN_S = 60.0


def script(number: int, text: str) -> list[Answer]:
    if "at length" not in text:
        return [[Say(3)]]
    part: list[Answer] = [[Say(WORDS, ANSWER_S, "x" * LETTERS), Call("look")]]
    return [[Stop("begin"), Call("look")], *part * ANSWERS, [Stop("last"), Say(1)]]


@asynccontextmanager
async def growth(processes: dict[Role, psutil.Process]) -> AsyncIterator[dict[Role, float]]:
    """Watch processes; yield the largest growth of each one's memory so far, in MB."""
    began = {role: process.memory_info().rss for role, process in processes.items()}
    grown = dict.fromkeys(began, 0.0)

    async def watch() -> None:
        while True:
            for role, process in processes.items():
                now = (process.memory_info().rss - began[role]) / 1e6
                grown[role] = max(grown[role], now)
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
        (replica,) = world.service.processes(Role.REPLICA)
        watched = {Role.REPLICA: replica, Role.SESSION_ACTOR: await slow.holder()}

        with outcome.fault():
            slow.follower.reading.clear()
            async with growth(watched) as grown:
                gates["begin"].open()
                took = await turns_meanwhile(other, time.monotonic() + SILENT_S)
                await gates["last"].reached(ALL_WITHIN_S)
                slow.follower.reading.set()
                gates["last"].open()
                ending = await slow.follower.turn_ended(1)

        told = ", ".join(f"{role} {megabytes:.0f} MB" for role, megabytes in grown.items())
        print(f"slow reader: grown {told}; other turns took up to {max(took):.2f} s", flush=True)
        assert ending["type"] == "session.completed"
        log = await slow.check([])
        assert sum(len(json.dumps(event)) for event in log) > ANSWERS * WORDS * LETTERS
        await other.check([])
        assert max(took) < OTHERS_WITHIN_S
        assert all(megabytes < GROWTH_MB[role] for role, megabytes in grown.items()), told
