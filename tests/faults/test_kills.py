"""A process is killed at a chosen moment of a turn: the turn ends by itself, exactly."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.faults.checks import messages
from tests.faults.model import Answer, Call, Say, Stop
from tests.faults.processes import Role, kill_role, returned
from tests.faults.report import REPORT
from tests.faults.talk import ON_ITS_WAY_S, Talk, World
from tests.waiting import eventually

TURN_WITHIN_S = 60.0


def script(number: int, text: str) -> list[Answer]:
    """Every moment has its gate; the tests hold the one they need."""
    if number:
        return [[Say(3)]]
    text = [Stop("begin"), Say(5), Stop("middle"), Say(5), Stop("last"), Say(1)]
    return [[*text, Call("look"), Call("pay"), Stop("end")], [Say(5)]]


# Each leads a turn up to its moment. The session actor is known by then; the block's end is the
# moment at which the victim dies.
Moment = Callable[[Talk], Awaitable[None]]


async def mid_stream(talk: Talk) -> None:
    await talk.scenario.gates["middle"].reached()
    await talk.follower.until(lambda: any(text.text for text in talk.follower.texts.values()))


async def before_the_append(talk: Talk) -> None:
    await talk.scenario.gates["last"].reached()


async def after_the_append(talk: Talk) -> None:
    await talk.follower.until(lambda: messages(talk.follower.events, "agent"))


async def between_tool_calls(talk: Talk) -> None:
    await talk.follower.until(lambda: talk.follower.of_type("tool.result"))


async def in_a_repeatable_tool(talk: Talk) -> None:
    await talk.scenario.gates["look"].reached()


async def in_a_tool_that_is_not_repeatable(talk: Talk) -> None:
    await talk.scenario.gates["pay"].reached()


async def after_the_last_token(talk: Talk) -> None:
    await talk.scenario.gates["end"].reached()


HELD: dict[Moment, str] = {
    mid_stream: "middle",
    before_the_append: "last",
    in_a_repeatable_tool: "look",
    in_a_tool_that_is_not_repeatable: "pay",
    after_the_last_token: "end",
}
MOMENTS: list[Moment] = [
    before_the_append,
    after_the_append,
    mid_stream,
    between_tool_calls,
    in_a_repeatable_tool,
    in_a_tool_that_is_not_repeatable,
    after_the_last_token,
]
DAILY: dict[Role, list[Moment]] = {
    Role.SESSION_ACTOR: [before_the_append, mid_stream, in_a_tool_that_is_not_repeatable],
    Role.REGISTRY: [before_the_append],
    Role.REPLICA: [mid_stream],
    Role.EVERYTHING: [mid_stream],
}


def named(moment: Moment) -> str:
    return moment.__name__.replace("_", " ")


CASES = [
    pytest.param(
        role,
        moment,
        id=f"{role} {named(moment)}",
        marks=[] if moment in DAILY[role] else [pytest.mark.long],
    )
    for role in Role
    for moment in MOMENTS
]


async def end_answer_unstored(talk: Talk) -> None:
    """Let the model finish its answer while nothing can be stored."""
    calls = talk.scenario.calls
    talk.scenario.gates["last"].open()
    await eventually(lambda: calls[-1].finished_at)
    await asyncio.sleep(ON_ITS_WAY_S)


@pytest.mark.parametrize(("role", "moment"), CASES)
async def test_a_turn_survives(world: World, role: Role, moment: Moment) -> None:
    outcome = REPORT[f"kill {role}"]
    async with world.talk(script, parallel_tool_calls=moment is not between_tool_calls) as talk:
        holder = await talk.begin_turn(*filter(None, [HELD.get(moment)]))
        await moment(talk)

        with outcome.fault() as faults:
            if moment is before_the_append:
                with talk.registry_paused():
                    await end_answer_unstored(talk)
                    victim = await kill_role(talk.service, role, holder)
            else:
                victim = await kill_role(talk.service, role, holder)
            back = await returned(talk.service, role, victim)
            talk.scenario.gates.open_all()
            ending = await talk.follower.turn_ended(1, TURN_WITHIN_S)

        outcome.resumed(faults[0], back, talk.follower.first_after(back))
        assert ending["type"] == "session.completed"
        await talk.send("And now?")
        await talk.follower.turn_ended(2, TURN_WITHIN_S)
        log = await talk.check(faults)
        if moment is in_a_tool_that_is_not_repeatable:
            (paid,) = [event for event in log if event["data"].get("name") == "pay"]
            lost = role in {Role.SESSION_ACTOR, Role.EVERYTHING}
            assert paid["data"]["success"] is not lost
            assert ("unknown" in paid["data"].get("error", "")) is lost


@pytest.mark.parametrize(
    "role",
    [
        Role.SESSION_ACTOR,
        Role.REGISTRY,
        Role.REPLICA,
        pytest.param(Role.EVERYTHING, marks=pytest.mark.long),
    ],
)
async def test_a_message_in_flight_is_stored_once(world: World, role: Role) -> None:
    outcome = REPORT[f"kill {role}"]
    async with world.talk(script) as talk:
        holder = await talk.begin_turn()
        await talk.follower.turn_ended(1)

        with outcome.fault() as faults:
            with talk.registry_paused():
                sending = asyncio.create_task(talk.send("Are you there?"))
                await asyncio.sleep(ON_ITS_WAY_S)
                victim = await kill_role(talk.service, role, holder)
            back = await returned(talk.service, role, victim)
            await sending
            await talk.follower.turn_ended(2, TURN_WITHIN_S)

        outcome.resumed(faults[0], back, talk.follower.first_after(back))
        await talk.check(faults)
