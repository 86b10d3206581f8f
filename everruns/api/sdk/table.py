"""The table from the log's events to those of the Everruns SDK.

Each event is shown by itself alone, whatever came before it, so that lists can begin anywhere. That
is why there is no ``act.completed``: no result says that it is the last of its answer.

Source: docs/sdk.md, "Events"; the OpenAPI document of Everruns for the fields.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from everruns.api.sdk.messages import sdk_message
from everruns.domain.events import EventType

Data = dict[str, Any]
Part = tuple[str, Data]


def _message_created(data: Data, context: Data) -> Iterator[Part]:
    message = sdk_message(data["message"])
    if message["role"] == "user":
        yield "input.message", {"message": message}
        return
    thinking = message.get("thinking")
    if thinking:
        yield "reason.thinking.completed", {"turn_id": context["turn_id"], "thinking": thinking}
    calls = [part for part in message["content"] if part["type"] == "tool_call"]
    usage = given(data, "usage")
    yield (
        "reason.completed",
        {
            "success": not message.get("metadata", {}).get("incomplete", False),
            "has_tool_calls": bool(calls),
            "tool_call_count": len(calls),
            **usage,
        },
    )
    model = {"metadata": given(data, "model")} if "model" in data else {}
    yield "output.message.completed", {"message": message, **usage, **model}
    if calls:
        yield "act.started", {"tool_calls": [_summary(call) for call in calls]}


def _session_forked(data: Data, _context: Data) -> Iterator[Part]:
    yield "session.forked", data


def _session_started(data: Data, _context: Data) -> Iterator[Part]:
    begun = given(data, "turn_id", "input_message_id", "retry_of")
    yield "session.activated", begun
    yield "turn.started", begun


def _tool_call(data: Data, _context: Data) -> Iterator[Part]:
    call = data["tool_call"]
    if data.get("client_side"):
        requested = {"tool_calls": [call], "tool_summaries": [_summary(call)]}
        yield "tool.call_requested", requested
    elif not data.get("resumed"):
        yield "tool.started", {"tool_call": call}


def _tool_approval(data: Data, _context: Data) -> Iterator[Part]:
    yield "tool.approval", data


def _wait_reminder(data: Data, _context: Data) -> Iterator[Part]:
    yield "wait.reminder", data


def _context_compacting(data: Data, _context: Data) -> Iterator[Part]:
    yield "context.compacting", given(data, "reason", "strategy", "messages_before")


def _context_compacted(data: Data, _context: Data) -> Iterator[Part]:
    yield (
        "context.compacted",
        {
            "strategy_used": data["strategy"],
            **given(data, "messages_before", "messages_after", "duration_ms"),
        },
    )


def _tool_result(data: Data, _context: Data) -> Iterator[Part]:
    success = data["success"]
    yield (
        "tool.completed",
        {
            "tool_call_id": data["tool_call_id"],
            "tool_name": data["name"],
            "success": success,
            "status": "success" if success else "error",
            **({"result": _result_parts(data)} if success else given(data, "error")),
            **given(data, "duration_ms"),
        },
    )


def _session_completed(data: Data, _context: Data) -> Iterator[Part]:
    yield (
        "turn.completed",
        given(data, "turn_id", "iterations", "duration_ms", "usage", "final_message_id"),
    )
    yield "session.idled", given(data, "turn_id", "iterations", "usage")


def _session_failed(data: Data, _context: Data) -> Iterator[Part]:
    error = data["error"]
    failed = {"error": error["message"], "error_code": error["code"].lower()}
    yield "turn.failed", {**given(data, "turn_id"), **failed}
    yield "session.idled", given(data, "turn_id")


def _session_cancelled(data: Data, _context: Data) -> Iterator[Part]:
    yield "turn.cancelled", given(data, "turn_id", "reason")
    yield "session.idled", given(data, "turn_id")


@dataclass(frozen=True)
class Rule:
    """How events of one type are shown.

    Attributes:
        parts: Given an event's data and context, returns its parts.
        names: The names that parts can have.
    """

    parts: Callable[[Data, Data], Iterator[Part]]
    names: tuple[str, ...]


RULES: Mapping[EventType, Rule] = {
    EventType.MESSAGE_CREATED: Rule(
        _message_created,
        (
            "input.message",
            "reason.thinking.completed",
            "reason.completed",
            "output.message.completed",
            "act.started",
        ),
    ),
    EventType.SESSION_FORKED: Rule(_session_forked, ("session.forked",)),
    EventType.SESSION_STARTED: Rule(_session_started, ("session.activated", "turn.started")),
    EventType.TOOL_CALL: Rule(_tool_call, ("tool.started", "tool.call_requested")),
    EventType.TOOL_APPROVAL: Rule(_tool_approval, ("tool.approval",)),
    EventType.WAIT_REMINDER: Rule(_wait_reminder, ("wait.reminder",)),
    EventType.CONTEXT_COMPACTING: Rule(_context_compacting, ("context.compacting",)),
    EventType.CONTEXT_COMPACTED: Rule(_context_compacted, ("context.compacted",)),
    EventType.TOOL_RESULT: Rule(_tool_result, ("tool.completed",)),
    EventType.SESSION_COMPLETED: Rule(_session_completed, ("turn.completed", "session.idled")),
    EventType.SESSION_FAILED: Rule(_session_failed, ("turn.failed", "session.idled")),
    EventType.SESSION_CANCELLED: Rule(_session_cancelled, ("turn.cancelled", "session.idled")),
}


def given(data: Data, *names: str) -> Data:
    """Return the named fields that have a value."""
    return {name: data[name] for name in names if data.get(name) is not None}


def _summary(call: Data) -> Data:
    return {"id": call["id"], "name": call["name"]}


def _result_parts(data: Data) -> list[Data]:
    """Return a result as texts and images, the only parts of it that the SDK knows."""
    if "parts" not in data:
        return [_text_part(data.get("result"))]
    return [_result_part(part) for part in data["parts"]]


def _result_part(part: Data) -> Data:
    match part["type"]:
        case "json":
            return _text_part(part.get("value"))
        case "file":
            return _text_part(part)
        case _:
            return part


def _text_part(result: Any) -> Data:
    text = result if isinstance(result, str) else orjson.dumps(result).decode()
    return {"type": "text", "text": text}
