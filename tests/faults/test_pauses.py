"""A process stands still for long and wakes up: the turn ends, and nothing is done twice."""

import asyncio

import pytest

from tests.faults.model import Answer, Call, Say, Stop
from tests.faults.processes import Role, paused
from tests.faults.report import REPORT
from tests.faults.talk import World

pytestmark = pytest.mark.long

PAUSE_S = 20.0
TURN_WITHIN_S = 90.0
# Long enough for one that wakes up to do what it was about to do.
HARM_WITHIN_S = 3.0


def script(number: int, text: str) -> list[Answer]:
    if number:
        return [[Say(3)]]
    text_then_tools = [Stop("begin"), Say(5), Stop("middle"), Say(5), Call("look"), Call("pay")]
    return [text_then_tools, [Say(5)]]


@pytest.mark.parametrize("gate", ["middle", "look", "pay"])
@pytest.mark.parametrize("role", list(Role))
async def test_one_that_wakes_up_does_nothing_twice(world: World, role: Role, gate: str) -> None:
    outcome = REPORT[f"pause {role}"]
    async with world.talk(script) as talk:
        gates = talk.scenario.gates
        gates["begin"].hold()
        gates[gate].hold()
        await talk.send()
        await gates["begin"].reached()
        holder = await talk.holder()
        gates["begin"].open()
        await gates[gate].reached()

        with outcome.fault() as faults:
            standing = [holder] if role is Role.SESSION_ACTOR else talk.service.processes(role)
            with paused(*standing):
                gates.open_all()
                await asyncio.sleep(PAUSE_S)
            await talk.follower.turn_ended(1, TURN_WITHIN_S)

        await asyncio.sleep(HARM_WITHIN_S)
        await talk.send("And now?")
        await talk.follower.turn_ended(2, TURN_WITHIN_S)
        await talk.check(faults)
