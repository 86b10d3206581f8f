"""Many conversations at once, while something dies all the time."""

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from tests.faults.checks import messages
from tests.faults.client import connected
from tests.faults.model import Answer, Call, Say
from tests.faults.report import Outcome
from tests.faults.talk import Talk, World

QUIET_WITHIN_S = 180.0
PROGRESS_EVERY_S = 10.0
# Between two messages of a session, so that this process can keep up with reading.
REST_S = (1.0, 5.0)
STEERS = 0.2
# Events and model calls that are shown of a session of which something does not hold.
LAST = 20
ANSWER = Say(20, seconds=0.3)

Storm = Callable[[float], Awaitable[list[float]]]
"""Ends processes until a moment of the monotonic clock; returns when each was ended."""


def script(number: int, text: str) -> list[Answer]:
    if number % 4 == 1:
        return [[Say(3), Call("look"), Call("pay")], [ANSWER]]
    return [[ANSWER]]


async def ride_out(
    world: World, outcome: Outcome, sessions: int, storm_s: float, storm: Storm
) -> list[Talk]:
    """Converse in many sessions through a storm, and check each of them afterwards.

    Args:
        world: The server under test.
        outcome: What to add the figures to.
        sessions: How many conversations.
        storm_s: Seconds that the storm lasts.
        storm: What dies.

    Returns:
        The conversations.
    """
    async with (
        connected(lambda: world.service.address, storm_s + QUIET_WITHIN_S) as client,
        AsyncExitStack() as stack,
    ):
        model_id = await world.model_id(client)
        talks = [
            await stack.enter_async_context(world.talk_over(client, model_id, script))
            for _ in range(sessions)
        ]
        until = time.monotonic() + storm_s
        telling = asyncio.create_task(tell_progress(talks))
        faults, *ended = await asyncio.gather(
            storm(until),
            *(converse(talk, until, random.Random(place)) for place, talk in enumerate(talks)),
            return_exceptions=True,
        )
        assert isinstance(faults, list), faults
        left = await asyncio.gather(*map(quiet, talks), return_exceptions=True)
        telling.cancel()
        outcome.faults += len(faults)
        wrong = [await count(talk, outcome, faults) for talk in talks]
        wrong += [repr(error) for error in (*ended, *left) if error is not None]
        found = [text for text in wrong if text is not None]
        print(f"storm: {client.repeated} requests were sent again", flush=True)
        strange = Counter(re.sub(r"session_\w+", "...", text) for text in client.strange)
        for text, times in strange.items():
            print(f"storm: {times} times {text}", flush=True)
        assert not found, "\n".join([f"{len(found)} things do not hold:", *found[:10]])
        # What Serve's own proxy says when the only replica dies under it; see docs/contract.md.
        assert all(text.endswith("500 Internal Server Error") for text in strange), strange
        return talks


async def converse(talk: Talk, until: float, chance: random.Random) -> None:
    """Send message after message; some while the turn of the one before runs."""
    while time.monotonic() < until:
        await talk.send()
        if chance.random() >= STEERS:
            await quiet(talk)
        await asyncio.sleep(chance.uniform(*REST_S))


async def quiet(talk: Talk) -> None:
    """Return when every message that was sent has been read and every turn has ended."""
    follower = talk.follower

    def done() -> bool:
        stored = {message["id"] for message in messages(follower.events, "user")}
        begun = len(follower.of_type("session.started"))
        return stored >= set(talk.sent) and begun == follower.ended

    await follower.until(done, QUIET_WITHIN_S)


async def tell_progress(talks: list[Talk]) -> None:
    while True:
        await asyncio.sleep(PROGRESS_EVERY_S)
        sent = sum(len(talk.sent) for talk in talks)
        ended = sum(talk.follower.ended for talk in talks)
        print(f"storm: {sent} messages acknowledged, {ended} turns ended", flush=True)


async def count(talk: Talk, outcome: Outcome, faults: list[float]) -> str | None:
    """Add a session's figures to the outcome; return what does not hold of it."""
    stored = Counter(message["id"] for message in messages(talk.follower.events, "user"))
    outcome.turns += talk.follower.ended
    outcome.lost += len(set(talk.sent) - stored.keys())
    outcome.doubled += sum(times - 1 for times in stored.values())
    outcome.stuck += len(talk.follower.of_type("session.started")) - talk.follower.ended
    try:
        await talk.check(faults)
    except AssertionError as error:
        told = [(event["sequence"], event["type"]) for event in talk.follower.events[-LAST:]]
        calls = [(call.number, call.answers, call.messages) for call in talk.scenario.calls[-LAST:]]
        return f"{talk.scenario.name}: {str(error)[:2000]}\nlog: {told}\nmodel calls: {calls}"
    return None
