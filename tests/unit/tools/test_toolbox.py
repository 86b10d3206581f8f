"""What becomes of a tool call, whatever the tool does."""

import asyncio
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from everruns.domain.tools import ToolCall
from everruns.tools.base import ToolContext, ToolError
from everruns.tools.function import FunctionTool, tool
from everruns.tools.results import MAX_RESULT_BYTES
from everruns.tools.toolbox import Toolbox
from tests.waiting import PATIENCE_S

CONTEXT = ToolContext(session_id="session_1", files=None, config={}, call_id="c", turn_id="t")  # type: ignore[arg-type]


async def outcome_of(function: FunctionTool, **arguments: Any):
    call = ToolCall(id="call_1", name=function.definition.name, arguments=arguments)
    return await Toolbox([(function, {})]).call(call, CONTEXT)


@tool()
async def echo(text: str, times: int | None = None) -> dict[str, Any]:
    """Say it again."""
    return {"echoed": text * (times or 1)}


async def test_answer_is_a_success_under_the_id_of_the_call():
    outcome = await outcome_of(echo, text="hi")
    assert outcome.result.tool_call_id == "call_1"
    assert outcome.result.result == {"echoed": "hi"}
    assert outcome.result.error is None


async def test_unknown_tool_is_an_error_result():
    outcome = await Toolbox([]).call(ToolCall(id="c", name="nope"), CONTEXT)
    assert outcome.result.error == "Unknown tool: nope"


async def test_bad_arguments_are_an_error_result_and_the_tool_is_not_run():
    outcome = await outcome_of(echo)
    assert outcome.result.error == "Missing required parameter: text"


async def test_null_for_an_optional_parameter_means_left_out():
    assert (await outcome_of(echo, text="a", times=None)).result.result == {"echoed": "a"}


async def test_null_for_a_required_parameter_is_refused():
    assert (await outcome_of(echo, text=None)).result.error == "Parameter 'text' must be a string"


async def test_better_words_replace_those_of_the_schema():
    @tool(explain=lambda arguments: f"Not like this: {sorted(arguments)}")
    async def strict(text: str) -> str:
        """Be strict."""
        return text

    assert (await outcome_of(strict, text=1)).result.error == "Not like this: ['text']"
    assert (await outcome_of(strict, text="fine")).result.error is None


async def test_refusal_is_the_error_that_the_model_reads():
    @tool()
    async def refuse() -> None:
        """Refuse."""
        raise ToolError("Not today")

    outcome = await outcome_of(refuse)
    assert outcome.result.error == "Not today"
    assert outcome.result.result is None


async def test_failure_is_logged_with_ids_and_its_words_stay_in_the_log():
    @tool()
    async def fail() -> None:
        """Fail."""
        raise ValueError("sk-secret")

    with capture_logs() as logs:
        outcome = await outcome_of(fail)
    assert (
        outcome.result.error == "The tool failed with ValueError. The server's log has the details."
    )
    assert logs[0]["session_id"] == "session_1"
    assert logs[0]["tool"] == "fail"
    assert logs[0]["tool_call_id"] == "call_1"


async def test_exit_of_a_tool_does_not_end_the_process():
    @tool()
    async def leave() -> None:
        """Leave."""
        raise SystemExit(1)

    assert (await outcome_of(leave)).result.error == "The tool tried to end the server."


async def test_tool_that_cancels_itself_does_not_cancel_the_turn():
    @tool()
    async def give_up() -> None:
        """Give up."""
        raise asyncio.CancelledError

    assert (await outcome_of(give_up)).result.error == "The tool cancelled itself."


async def test_slow_tool_is_given_up_after_its_timeout():
    cancelled = asyncio.Event()

    @tool(timeout_s=0.02)
    async def sleep() -> None:
        """Sleep."""
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    outcome = await outcome_of(sleep)
    assert outcome.result.error == "The tool did not answer within 0.02 seconds."
    await asyncio.wait_for(cancelled.wait(), PATIENCE_S)


async def test_toolbox_bounds_what_a_tool_allows_itself():
    @tool(timeout_s=3600)
    async def sleep() -> None:
        """Sleep."""
        await asyncio.Event().wait()

    outcome = await Toolbox([(sleep, {})], max_timeout_s=0.02).call(
        ToolCall(id="c", name="sleep"), CONTEXT
    )
    assert outcome.result.error == "The tool did not answer within 0.02 seconds."


async def test_tool_that_ignores_its_cancellation_does_not_hold_up_the_turn():
    release = asyncio.Event()

    @tool(timeout_s=0.02)
    async def stubborn() -> None:
        """Stay."""
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async with asyncio.timeout(PATIENCE_S):
        outcome = await outcome_of(stubborn)
    release.set()
    assert outcome.result.error is not None


async def test_timeout_error_of_the_tool_itself_is_a_failure_like_others():
    @tool()
    async def impatient() -> None:
        """Raise."""
        raise TimeoutError

    assert "TimeoutError" in ((await outcome_of(impatient)).result.error or "")


async def test_cancelling_the_call_cancels_the_tool():
    started, cancelled = asyncio.Event(), asyncio.Event()

    @tool()
    async def wait() -> None:
        """Wait."""
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    running = asyncio.ensure_future(outcome_of(wait))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.wait_for(cancelled.wait(), PATIENCE_S)


async def test_tool_sees_the_config_of_its_own_capability():
    @tool()
    async def show(context: ToolContext) -> dict[str, Any]:
        """Show the config."""
        return context.config

    box = Toolbox([(show, {"key": 1}), (echo, {"key": 2})])
    outcome = await box.call(ToolCall(id="c", name="show"), CONTEXT)
    assert outcome.result.result == {"key": 1}


def test_definitions_keep_their_order_and_the_first_of_a_name_counts():
    @tool(name="echo")
    async def other() -> None:
        """Say nothing."""

    @tool()
    async def last() -> None:
        """Come last."""

    box = Toolbox([(echo, {}), (other, {}), (last, {})])
    assert [definition.name for definition in box.definitions] == ["echo", "last"]
    assert box.find("echo") is echo
    assert box.find("nope") is None


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes"])
async def test_result_that_is_no_json_is_an_error_result(value):
    @tool()
    async def odd() -> Any:
        """Return something odd."""
        return value

    assert (await outcome_of(odd)).result.error == "The tool's answer is not a JSON value."


async def test_long_error_is_cut_too():
    @tool()
    async def complain() -> None:
        """Complain."""
        raise ToolError("x" * 100_000)

    error = (await outcome_of(complain)).result.error
    assert len(error or "") <= MAX_RESULT_BYTES


async def test_a_plain_function_can_see_that_nobody_waits_for_it_any_more():
    stopped = threading.Event()

    @tool(timeout_s=0.02)
    def work(context: ToolContext) -> None:
        """Work."""
        while not context.is_cancelled:
            time.sleep(0.001)
        stopped.set()

    call = ToolCall(id="c", name="work", arguments={})
    outcome = await Toolbox([(work, {})]).call(
        call, replace(CONTEXT, cancellation=threading.Event())
    )
    assert outcome.result.error is not None
    assert await asyncio.to_thread(stopped.wait, 5)
