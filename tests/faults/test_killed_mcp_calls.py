"""A session actor is killed in the middle of an MCP server's call, or of what the server asks."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import psutil
import pytest

from tests.faults.client import Event, connected
from tests.faults.desk import CAPABILITY, ROW_ID, add_desk, running_desk, tool_name
from tests.faults.model import Answer, Call, Say, Script, Stop
from tests.faults.processes import kill
from tests.faults.report import REPORT
from tests.faults.talk import ON_ITS_WAY_S, Talk, World

TURN_WITHIN_S = 60.0
OUTCOME = REPORT["kill session actor in an MCP call"]


@pytest.fixture(scope="module")
def desk(world: World) -> Iterator[str]:
    """The address of the MCP server."""
    with running_desk(world.model.tools_url) as url:
        yield url


def calling(tool: str) -> Script:
    """Return the script of a model that calls one of the server's tools, then answers."""

    def script(number: int, text: str) -> list[Answer]:
        if number:
            return [[Say(3)]]
        return [[Stop("begin"), Say(2), Call(tool_name(tool))], [Say(5)]]

    return script


@asynccontextmanager
async def talking(world: World, url: str, tool: str) -> AsyncIterator[Talk]:
    """Open a session whose model calls one of the server's tools."""
    async with connected(lambda: world.service.address) as client:
        await add_desk(client, url)
        model_id = await world.model_id(client)
        script, capabilities = calling(tool), [CAPABILITY]
        async with world.talk_over(client, model_id, script, capabilities=capabilities) as talk:
            yield talk


async def ended(talk: Talk, faults: list[float]) -> dict[str, Any]:
    """Let the turn end and check everything; return the call's result."""
    talk.scenario.gates.open_all()
    ending = await talk.follower.turn_ended(1, TURN_WITHIN_S)
    OUTCOME.resumed(faults[0], faults[0], talk.follower.first_after(faults[0]))
    assert ending["type"] == "session.completed"
    await talk.send("And now?")
    await talk.follower.turn_ended(2, TURN_WITHIN_S)
    log = await talk.check(faults)
    (result,) = of_type(log, "tool.result")
    return result["data"]


def of_type(log: list[Event], kind: str) -> list[Event]:
    return [event for event in log if event["type"] == kind]


def runs(talk: Talk) -> list[str]:
    """Return what the server did, in order."""
    return [run.tool for run in talk.scenario.executions]


async def asked(talk: Talk, *held: str) -> psutil.Process:
    """Lead the turn up to the open question; return the session actor that ran it."""
    holder = await talk.begin_turn(*held)
    await talk.follower.until(lambda: talk.follower.of_type("tool.suspended"))
    return holder


async def answer(talk: Talk) -> dict[str, Any]:
    path = f"/v1/sessions/{talk.session_id}/question-answers"
    return await talk.client.post(path, {"answers": [{"id": ROW_ID, "other_text": "seven"}]})


def assert_asked_and_answered_once(talk: Talk) -> None:
    log = talk.follower.events
    questions = [event for event in of_type(log, "tool.call") if event["data"].get("client_side")]
    assert len(questions) == len(of_type(log, "tool.suspended")) == 1
    (resumed,) = of_type(log, "tool.resumed")
    (given,) = resumed["data"]["answers"]["answers"]
    assert given["other_text"] == "seven"


@pytest.mark.parametrize("tool", ["pay", pytest.param("look", marks=pytest.mark.long)])
async def test_a_call_is_repeated_only_if_it_may_be(world: World, desk: str, tool: str) -> None:
    async with talking(world, desk, tool) as talk:
        holder = await talk.begin_turn(tool)
        await talk.scenario.gates[tool].reached()
        with OUTCOME.fault() as faults:
            kill(holder)
            result = await ended(talk, faults)

    if tool == "look":
        assert runs(talk) == ["look", "look"]
        assert result["result"] == "look done"
    else:
        assert runs(talk) == ["pay"]
        assert "unknown" in result["error"]


@pytest.mark.long
async def test_a_call_whose_result_was_on_its_way_is_not_made_again(
    world: World, desk: str
) -> None:
    async with talking(world, desk, "pay") as talk:
        holder = await talk.begin_turn("pay")
        await talk.scenario.gates["pay"].reached()
        with OUTCOME.fault() as faults:
            with talk.registry_paused():
                talk.scenario.gates["pay"].open()
                await asyncio.sleep(ON_ITS_WAY_S)
                kill(holder)
            result = await ended(talk, faults)

    assert runs(talk) == ["pay"]
    assert result["success"] or "unknown" in result["error"]


@pytest.mark.long
@pytest.mark.parametrize("tool", ["book", "reserve"])
async def test_a_call_that_is_about_to_ask(world: World, desk: str, tool: str) -> None:
    async with talking(world, desk, tool) as talk:
        holder = await talk.begin_turn("ask")
        await talk.scenario.gates["ask"].reached()
        with OUTCOME.fault() as faults:
            kill(holder)
            talk.scenario.gates["ask"].open()
            if tool == "reserve":
                await talk.follower.until(lambda: talk.follower.of_type("tool.suspended"))
                await answer(talk)
            result = await ended(talk, faults)

    if tool == "reserve":
        assert runs(talk) == ["ask", "ask", "reserve"]
        assert_asked_and_answered_once(talk)
        assert result["result"] == "reserve done in row seven"
    else:
        assert runs(talk) == ["ask"]
        assert "unknown" in result["error"]


async def test_a_question_that_is_open_is_answered_elsewhere(world: World, desk: str) -> None:
    async with talking(world, desk, "book") as talk:
        holder = await asked(talk)
        with OUTCOME.fault() as faults:
            kill(holder)
            assert (await answer(talk))["answered_by"] == "user"
            result = await ended(talk, faults)

    assert runs(talk) == ["ask", "book"]
    assert_asked_and_answered_once(talk)
    assert result["result"] == "book done in row seven"


@pytest.mark.long
async def test_an_answer_that_was_on_its_way_counts_once(world: World, desk: str) -> None:
    async with talking(world, desk, "book") as talk:
        holder = await asked(talk)
        with OUTCOME.fault() as faults:
            with talk.registry_paused():
                answering = asyncio.create_task(answer(talk))
                await asyncio.sleep(ON_ITS_WAY_S)
                kill(holder)
            assert (await answering)["answered_by"] == "user"
            result = await ended(talk, faults)

    assert runs(talk) == ["ask", "book"]
    assert_asked_and_answered_once(talk)
    assert result["result"] == "book done in row seven"


@pytest.mark.parametrize("tool", [pytest.param("reserve", marks=pytest.mark.long), "book"])
async def test_a_call_that_went_on_with_the_answer(world: World, desk: str, tool: str) -> None:
    async with talking(world, desk, tool) as talk:
        holder = await asked(talk, tool)
        await answer(talk)
        await talk.scenario.gates[tool].reached()
        with OUTCOME.fault() as faults:
            kill(holder)
            result = await ended(talk, faults)

    assert_asked_and_answered_once(talk)
    if tool == "reserve":
        assert runs(talk) == ["ask", "reserve", "reserve"]
        assert result["result"] == "reserve done in row seven"
    else:
        assert runs(talk) == ["ask", "book"]
        assert "unknown" in result["error"]
