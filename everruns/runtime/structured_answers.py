"""Reading structured answers: is what the model said the value that was asked for?

Source: docs/contract.md, "Structured answers".
"""

import asyncio
import atexit
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import orjson

from everruns.domain.messages import OutputPart
from everruns.domain.output_schemas import (
    find_violation_in_child,
    find_violation_quickly,
    is_quickly_checked,
)
from everruns.domain.schemas import UnusableSchema
from everruns.domain.structured_output import NoValue, read_value, readings
from everruns.providers.base import ModelAnswer
from everruns.runtime.feed.draft import Draft
from everruns.tools.child_processes import (
    ChildFailure,
    ChildProcesses,
    ChildrenBusy,
    ChildTimedOut,
)
from everruns.turn_failures import OutputInvalid, TurnFailure

CHECKS = 2
CHECK_TIMEOUT_S = 10.0
BUSY_WAIT_S = 0.1
BUSY_PATIENCE_S = 60.0


async def with_output(draft: Draft, answer: ModelAnswer) -> ModelAnswer:
    """Put the value of a structured answer, or what is wrong with it, into its draft.

    Args:
        draft: The answer's draft, complete.
        answer: The end of the answer.

    Returns:
        The answer; one that corrects a value has no calls, because none may run.
    """
    request = draft.request
    schema = request.controls.output_schema if request else None
    if request is None or schema is None:
        return answer
    if answer.tool_calls and not request.is_correction:
        return answer
    try:
        draft.output = await _output(str(draft.text), answer, schema)
    except OutputInvalid as failure:
        draft.output, draft.failure = OutputPart(error=failure.message), failure
    return replace(answer, tool_calls=(), refused_calls={})


async def _output(text: str, answer: ModelAnswer, schema: Mapping[str, Any]) -> OutputPart:
    if answer.tool_calls:
        return OutputPart(error="No tool can be called any more.")
    if not answer.is_finished:
        return OutputPart(error=f"It was cut off ({answer.finish_reason}); make it shorter.")
    try:
        value = read_value(text)
    except NoValue as error:
        return OutputPart(error=str(error))
    violations: list[str] = []
    for reading in readings(value, schema, is_wrapped=answer.is_output_wrapped):
        violation = await _violation(schema, reading)
        if violation is None:
            return OutputPart(value=reading)
        violations.append(violation)
    return OutputPart(error=f"{violations[0]}.")


async def _violation(schema: Mapping[str, Any], value: Any) -> str | None:
    """Return what is wrong with a value.

    Raises:
        OutputInvalid: The schema cannot tell, or not in time.
    """
    if is_quickly_checked(schema, value):
        try:
            return find_violation_quickly(schema, value)
        except UnusableSchema:
            # The child process has more time, or says why no time is enough.
            pass
    frames = [orjson.dumps(schema), orjson.dumps(value)]
    try:
        checked = await _checked(frames)
    except ChildTimedOut:
        raise _unusable(f"checking a value took longer than {CHECK_TIMEOUT_S:g} seconds") from None
    except ChildFailure:
        raise _unusable("checking a value failed or took too much memory") from None
    found = orjson.loads(checked)
    if "unusable" in found:
        raise _unusable(found["unusable"])
    return found["violation"]


async def _checked(frames: Sequence[bytes]) -> bytes:
    deadline = asyncio.get_running_loop().time() + BUSY_PATIENCE_S
    while True:
        try:
            return await _children().run(find_violation_in_child, frames, CHECK_TIMEOUT_S)
        except ChildrenBusy:
            if asyncio.get_running_loop().time() >= deadline:
                raise TurnFailure(
                    "Too many answers are being checked against their schemas. Send the message "
                    "again later."
                ) from None
            await asyncio.sleep(BUSY_WAIT_S)


def _unusable(reason: str) -> OutputInvalid:
    return OutputInvalid(
        f"The output_schema cannot be used: {reason}. Simplify it, such as its patterns, and send "
        "the message again. The answer's text is kept."
    )


@cache
def _children() -> ChildProcesses:
    children = ChildProcesses(CHECKS)
    atexit.register(children.close)
    return children
