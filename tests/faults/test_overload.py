"""More than the server takes at once is refused with a time to come back, and nothing is lost."""

import asyncio
from collections import Counter

import aiohttp
import pytest

from tests.faults.client import ENDS, Client, connected
from tests.faults.model import Answer, Say, Scenario, Stop
from tests.faults.report import REPORT
from tests.faults.talk import World

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

# Beside the one that began the turn.
QUEUED = 99
SENT = 300
# More than all session actors of a small machine may hold together.
SESSIONS = 700
ALL_WITHIN_S = 300.0
POLL_S = 5.0
LOOK_S = 0.1


def held(number: int, text: str) -> list[Answer]:
    return [[Say(3)]] if number else [[Stop("begin"), Say(3)]]


async def test_messages_that_a_turn_has_not_read_are_bounded(world: World) -> None:
    async with world.talk(held) as talk:
        talk.scenario.gates["begin"].hold()
        await talk.send()
        await talk.scenario.gates["begin"].reached()
        url = f"{world.service.address}/v1/sessions/{talk.session_id}/messages"

        async def send(number: int) -> tuple[int, str | None, str]:
            body = {"content": talk.scenario.message(number, "More.")}
            async with connections.post(url, json=body) as answer:
                told = await answer.json()
                return answer.status, answer.headers.get("Retry-After"), told.get("id", "")

        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as connections:
            answers = await asyncio.gather(*map(send, range(1, SENT + 1)))

        statuses = Counter(status for status, _, _ in answers)
        assert statuses == {201: QUEUED, 429: SENT - QUEUED}
        assert all(after for status, after, _ in answers if status == 429)
        talk.scenario.gates.open_all()
        await talk.follower.turn_ended(1)
        created = talk.follower.of_type("message.created")
        stored = {event["data"]["message"]["id"] for event in created}
        assert {identity for status, _, identity in answers if status == 201} <= stored


async def test_of_more_sessions_than_there_is_room_for_each_has_its_turn(world: World) -> None:
    outcome = REPORT["overload"]
    async with connected(lambda: world.service.address, ALL_WITHIN_S) as client:
        model_id = await world.model_id(client)
        scenarios: list[Scenario] = []

        async def take_a_turn(number: int) -> list[str]:
            session = await client.post("/v1/sessions", {"model_id": model_id})
            scenario = world.model.scenario(f"crowd-{number}", held)
            if not client.repeated:
                scenario.gates["begin"].hold()
                scenarios.append(scenario)
            await client.send(session["id"], scenario.message(0, "How are you?"))
            return await ending(client, session["id"])

        async def let_turns_end() -> None:
            """Let no turn end before the server has refused a session."""
            while not client.repeated:
                await asyncio.sleep(LOOK_S)
            for scenario in scenarios:
                scenario.gates.open_all()

        endings = await asyncio.gather(let_turns_end(), *map(take_a_turn, range(SESSIONS)))

        print(f"overload: {client.repeated} requests were refused at first", flush=True)
        outcome.turns += SESSIONS
        assert endings[1:] == [["session.completed"]] * SESSIONS
        assert client.strange == []


async def ending(client: Client, session_id: str) -> list[str]:
    """Wait for the end of a session's turn without holding the session; return how it ended."""
    async with asyncio.timeout(ALL_WITHIN_S):
        while True:
            await asyncio.sleep(POLL_S)
            log = await client.log(session_id)
            if ended := [event["type"] for event in log if event["type"] in ENDS]:
                return ended
