"""The toolbox: the tools of one turn, and how their calls run.

Whatever a tool does, its call ends within its timeout with a result that the model can read and
the log can store. A tool never ends a turn.

Source: docs/contract.md, "Turns".
"""

import asyncio
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, cast

import orjson
import structlog
from pydantic import BaseModel

from everruns.domain.base import KIB
from everruns.domain.suspensions import Suspension
from everruns.domain.tools import ToolCall, ToolDefinition, ToolResult
from everruns.tools.asked import AskedTool
from everruns.tools.base import Suspend, Tool, ToolContext, ToolError

MAX_RESULT_BYTES = 64 * KIB

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Outcome:
    """The outcome of a call.

    Attributes:
        result: What the model reads.
        success: Whether the tool succeeded, rather than refused or failed.
        duration_ms: How long the call took.
        suspension: How the tool has suspended the call, if it has; the result counts for nothing.
    """

    result: ToolResult
    success: bool
    duration_ms: int
    suspension: Suspension | None = None


class Toolbox:
    """Tools by name, in the order in which the model sees them.

    Args:
        tools: Tools with the ``config`` of the capability each belongs to. Of several with
            one name, the first wins.
        max_timeout_s: Upper limit in seconds for every call, whatever its tool allows.
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
        started = time.perf_counter()
        result: Any = None
        error: str | None = None
        suspension: Suspension | None = None
        try:
            result = plain_json(await self._run(call, context))
        except Suspend as suspended:
            suspension = suspended.suspension
        except ToolError as refusal:
            error = cut_text(str(refusal))
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
        return Outcome(
            result=ToolResult(tool_call_id=call.id, result=result, error=error),
            success=error is None,
            duration_ms=round((time.perf_counter() - started) * 1000),
            suspension=suspension,
        )

    async def _run(self, call: ToolCall, context: ToolContext) -> Any:
        if call.name not in self._tools:
            raise ToolError(f"Unknown tool: {call.name[:64]}")
        tool, config = self._tools[call.name]
        arguments = _checked(tool, call.arguments)
        timeout_s = min(tool.timeout_s, self._max_timeout_s)
        running = asyncio.ensure_future(_guarded(tool, arguments, replace(context, config=config)))
        try:
            # A tool that ignores its cancellation must not hold up the turn.
            await asyncio.wait({running}, timeout=timeout_s)
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


def plain_json(value: Any) -> Any:
    """Return a tool's result as JSON that the log can store, cut to ``MAX_RESULT_BYTES``.

    Integers beyond 64 bits become floats or, if too large for those, text; invalid Unicode is
    repaired.

    Raises:
        ToolError: The value cannot be written as JSON.
    """
    try:
        try:
            body = orjson.dumps(value)
        except TypeError:
            body = orjson.dumps(_mended(value))
    except (TypeError, RecursionError):
        raise ToolError("The tool's answer is not a JSON value.") from None
    return orjson.loads(body) if len(body) <= MAX_RESULT_BYTES else _cut(orjson.loads(body), body)


def _mended(value: Any) -> Any:
    """Replace values that stored JSON cannot hold by their nearest equivalent."""
    match value:
        case dict():
            items = cast("dict[Any, Any]", value).items()
            return {_mended(str(key)): _mended(item) for key, item in items}
        case list() | tuple():
            return [_mended(item) for item in cast("list[Any]", value)]
        case str():
            return value.encode("utf-8", "replace").decode()
        case BaseModel():
            return _mended(value.model_dump(mode="json"))
        case int() if not -(2**63) <= value < 2**64:
            return float(value) if abs(value) < 2**1023 else f"about 2^{value.bit_length()}"
        case _:
            return value


def _cut(value: Any, body: bytes) -> Any:
    """Shorten a result's longest text or, if that is not enough, the whole as text."""
    if isinstance(value, str):
        return cut_text(value)
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        texts = {name: text for name, text in fields.items() if isinstance(text, str)}
        longest = max(texts, key=lambda name: len(texts[name]), default=None)
        if longest is not None:
            rest = len(body) - len(orjson.dumps(texts[longest]))
            if rest < MAX_RESULT_BYTES // 2:
                return {**fields, longest: cut_text(texts[longest], MAX_RESULT_BYTES - rest)}
    return cut_text(body.decode())


def cut_text(text: str, limit: int = MAX_RESULT_BYTES) -> str:
    """Shorten a text to at most ``limit`` bytes of JSON, with a note that it was cut."""
    text = text.encode("utf-8", "replace").decode()
    body = orjson.dumps(text)
    if len(body) <= limit:
        return text
    note = f"\n[Cut: the whole text has {len(text)} characters.]"
    end = limit - len(note) - 2
    while True:
        try:
            return orjson.loads(body[:end] + b'"') + note
        except orjson.JSONDecodeError:
            end -= 1  # The cut is in the middle of a character or an escape.
