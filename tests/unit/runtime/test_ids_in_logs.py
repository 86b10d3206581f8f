"""What is logged during a turn has the turn's ids, and nothing that was said in it."""

from collections.abc import Sequence
from typing import Any

from structlog.testing import capture_logs
from structlog.typing import EventDict

from everruns.domain.agents import AgentInput
from everruns.domain.trace_context import TurnTrace
from everruns.log import add_ids, current_ids, replace_exception, working_on
from everruns.registry.group_commit import GroupCommit
from everruns.tools.base import ToolContext
from everruns.tools.function import tool
from everruns.turn_failures import ProviderUnavailable
from tests.conversations import Conversation
from tests.scripts import ScriptedDriver, call, calls, local_runtime, says, step

SAID = "the cabbage is in the cellar"


@tool()
async def breaks(text: str, context: ToolContext) -> str:
    """Break."""
    local = f"{text} {context.session_id}"
    raise KeyError(local)


async def lines_of_a_turn(driver: ScriptedDriver) -> tuple[list[EventDict], Conversation, str]:
    """What a turn logs that a request has started, its conversation and its id."""
    with capture_logs([add_ids, replace_exception]) as lines:
        async with local_runtime(driver, breaks) as runtime:
            agent, _ = await runtime.registry.agents.create(
                AgentInput(name="Ann", system_prompt=SAID, capabilities=["kit"])
            )
            talk = await Conversation.begin(runtime, agent_id=agent.id)
            with working_on({"request_id": "request-1"}):
                await talk.say(SAID)
            (turn_id,) = {event.turn_id for event in await talk.log() if event.turn_id}
    return lines, talk, turn_id


def ids_of(talk: Conversation, turn_id: str) -> dict[str, Any]:
    return {
        "session_id": talk.session.id,
        "agent_id": talk.session.agent_id,
        "turn_id": turn_id,
        "trace_id": TurnTrace.of(turn_id, None, 0).trace_id,
    }


async def test_a_fault_of_a_turn_is_logged_with_the_turns_ids_and_not_the_requests():
    lines, talk, turn_id = await lines_of_a_turn(ScriptedDriver(step(ValueError(SAID))))

    (line,) = [line for line in lines if line["event"] == "turn failed"]
    assert ids_of(talk, turn_id).items() <= line.items()
    assert "request_id" not in line
    assert "builtins.ValueError" in line["exception"]
    assert SAID not in str(lines)


async def test_a_fault_of_a_tool_is_logged_without_its_arguments_and_locals():
    driver = ScriptedDriver(calls(call("breaks", text=SAID)), says("Done."))
    lines, talk, turn_id = await lines_of_a_turn(driver)

    (line,) = [line for line in lines if line["event"] == "tool failed"]
    assert ids_of(talk, turn_id).items() <= line.items()
    assert "in breaks" in line["exception"]
    assert SAID not in str(lines)


async def test_a_retry_is_logged_without_what_the_provider_has_said():
    driver = ScriptedDriver(step(ProviderUnavailable(SAID)), says("Done."))
    lines, _, turn_id = await lines_of_a_turn(driver)

    (line,) = [line for line in lines if line["event"] == "model call retried"]
    assert (line["turn_id"], line["error"]) == (turn_id, "PROVIDER_UNAVAILABLE")
    assert SAID not in str(lines)


async def test_what_is_stored_together_is_logged_for_nobody_alone():
    seen: list[dict[str, str]] = []

    async def commit(entries: Sequence[str]) -> list[None]:
        seen.append(dict(current_ids()))
        return [None] * len(entries)

    with working_on({"request_id": "request-1"}):
        await GroupCommit(commit).append("an entry")
        assert current_ids() == {"request_id": "request-1"}
    assert seen == [{}]
