"""The toolbox: the tools of one turn, and how their calls run.

Whatever a tool does, its call ends within its timeout with a result that the model can read and
the log can store. A tool never ends a turn.

Source: docs/contract.md, "Turns".
"""

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from everruns.domain.questions import Question
from everruns.domain.suspensions import Suspension
from everruns.domain.tools import ToolCall, ToolDefinition, ToolResult
from everruns.tools.asked import AskedTool
from everruns.tools.base import Ask, EndsInTime, Suspend, Tool, ToolContext, ToolError
from everruns.tools.call_time import CallTime
from everruns.tools.results import cut_text, stored_result

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Outcome:
    """The outcome of a call.

    Attributes:
        result: What the model reads.
        suspension: How the tool has suspended the call, if it has; the result counts for nothing.
    """

    result: ToolResult
    suspension: Suspension | None = None


class Toolbox:
    """Tools by name, in the order in which the model sees them.

    Args:
        tools: Tools with the ``config`` of the capability each belongs to. Of several with
            one name, the first wins.
        max_timeout_s: Upper limit in seconds for every call, whatever its tool allows; not for
            tools that ``EndsInTime``.
    """

    def __init__(
        self,
        tools: Iterable[tuple[Tool, dict[str, Any]]],
        max_timeout_s: float = math.inf,
    ) -> None:
        self._max_timeout_s = max_timeout_s
        self._tools: dict[str, tuple[Tool, dict[str, Any]]] = {}
        for tool, config in tools:
            self._tools.setdefault(tool.definition.name, (tool, config))

    def with_tools(self, tools: Iterable[Tool]) -> "Toolbox":
        """Return a toolbox that has further tools, which take no config."""
        return Toolbox(
            [*self._tools.values(), *((tool, {}) for tool in tools)], self._max_timeout_s
        )

    @property
    def definitions(self) -> list[ToolDefinition]:
        """The tools as described to the model."""
        return [tool.definition for tool, _ in self._tools.values()]

    def find(self, name: str) -> Tool | None:
        """Return the tool of this name."""
        found = self._tools.get(name)
        return found[0] if found else None

    def asked(self, call: ToolCall) -> AskedTool | None:
        """Return the tool of a call that can be answered from outside."""
        tool = self.find(call.name)
        if not isinstance(tool, AskedTool):
            return None
        wrong = tool.problem_with(call.arguments) or tool.explain(call.arguments)
        return tool if wrong is None else None

    def problem_with(self, call: ToolCall) -> str | None:
        """Return, for the model, why a call's arguments cannot be used; ``None`` if they can."""
        tool = self.find(call.name)
        return None if tool is None else tool.problem_with(_given(tool, call.arguments))

    async def call(self, call: ToolCall, context: ToolContext) -> Outcome:
        """Run one call to its end. Only cancellation propagates.

        Args:
            call: The model's call.
            context: The call's context; its ``config`` is replaced by the tool's own.
        """
        suspension: Suspension | None = None
        try:
            result = stored_result(call.id, await self._run(call, context))
        except Suspend as suspended:
            suspension = suspended.suspension
            result = ToolResult(tool_call_id=call.id)
        except ToolError as refusal:
            result = ToolResult(tool_call_id=call.id, error=cut_text(str(refusal)))
        except Exception as failure:
            log.exception(
                "tool failed",
                session_id=context.session_id,
                tool=call.name,
                tool_call_id=call.id,
            )
            error = (
                f"The tool failed with {type(failure).__name__}. The server's log has the details."
            )
            result = ToolResult(tool_call_id=call.id, error=error)
        return Outcome(result=result, suspension=suspension)

    async def _run(self, call: ToolCall, context: ToolContext) -> Any:
        if call.name not in self._tools:
            raise ToolError(f"Unknown tool: {call.name[:64]}")
        tool, config = self._tools[call.name]
        arguments = _checked(tool, call.arguments)
        timeout_s = self._timeout_s(tool)
        time_left = CallTime(timeout_s)
        ask = context.ask and _Asked(context.ask, time_left)
        context = replace(context, config=config, ask=ask)
        running = asyncio.ensure_future(_guarded(tool, arguments, context))
        try:
            # A tool that ignores its cancellation must not hold up the turn.
            await time_left.wait_for(running)
        finally:
            finished = running.done()
            if not finished:
                context.cancellation.set()
                running.cancel()
        if not finished:
            raise ToolError(f"The tool did not answer within {timeout_s:g} seconds.")
        if running.cancelled():
            raise ToolError("The tool cancelled itself.")
        return running.result()

    def _timeout_s(self, tool: Tool) -> float:
        ends_in_time = isinstance(tool, EndsInTime) and tool.ends_in_time
        return tool.timeout_s if ends_in_time else min(tool.timeout_s, self._max_timeout_s)


@dataclass(frozen=True)
class _Asked:
    """Asks the user while a call's time stands still; implements ``Ask``."""

    ask: Ask
    time_left: CallTime

    async def __call__(
        self, questions: Sequence[Question], wait_s: float
    ) -> Mapping[str, Any] | None:
        with self.time_left.standing_still():
            return await self.ask(questions, wait_s)


async def _guarded(tool: Tool, arguments: dict[str, Any], context: ToolContext) -> Any:
    try:
        return await tool.run(arguments, context)
    except SystemExit:
        # Otherwise it would end the whole process and every session in it.
        raise ToolError("The tool tried to end the server.") from None


def _checked(tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
    given = _given(tool, arguments)
    if problem := tool.problem_with(given):
        raise ToolError(problem)
    return given


def _given(tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the given arguments; null for an optional parameter counts as absent."""
    required = tool.definition.parameters.get("required", ())
    return {key: value for key, value in arguments.items() if key in required or value is not None}
