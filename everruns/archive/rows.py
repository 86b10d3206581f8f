"""What the archive has of events and sessions, and what it leaves out.

It has what is counted, measured and searched: times, tokens, money, names, outcomes, and the text
of messages. Left out are the contents of files, images and attachments, the results of tools,
reasoning, system prompts, metadata, and keys of requests. The arguments of calls are kept in short;
those of tools that work on files say where, and not what.

A field of another type than expected, as in a log of a foreign version, is left out too: one odd
event must not keep all others from the archive.
"""

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import orjson

from everruns.domain.events import Event, EventType
from everruns.storage.history import SessionEntry

MAX_TEXT = 32_768
"""The most characters that are kept of a message's text."""

MAX_ARGUMENT = 1_000
"""The most characters that are kept of each text in the arguments of a call."""

MAX_ARGUMENTS = 16_384
"""The most characters of all arguments of a call, as JSON; above, only their names are kept."""

MAX_ERROR = 2_000
MAX_NAME = 1_000
MAX_INTEGER = 2**63 - 1

FILE_TOOLS = frozenset({"read_file", "write_file", "grep_files", "edit_file", "create_file"})
"""Names of tools whose arguments may hold what is in files, also behind the prefix of a server."""

FILE_ARGUMENTS = frozenset({"path", "path_pattern", "encoding", "recursive"})
"""The arguments of such tools that are kept."""

Row = dict[str, Any]
Value = TypeVar("Value", bool, str, float)


def event_row(event: Event, session: SessionEntry) -> Row:
    """Return the row of an event, without the columns that are null.

    Args:
        event: The event.
        session: Its session.
    """
    envelope = event.envelope
    data = _object(envelope.get("data"))
    row: Row = {
        "session_id": event.session_id,
        "sequence": event.sequence,
        "id": event.id,
        "type": event.type,
        "turn_id": event.turn_id,
        "ts": event.ts,
        "agent_id": session.agent_id,
        "end_user": session.end_user,
        "is_copied": event.sequence <= (session.forked_from_sequence or 0),
    }
    if event.type == EventType.MESSAGE_CREATED:
        row |= _message(data) | _model_call(data)
    elif event.type == EventType.CONTEXT_COMPACTED:
        row |= _model_call(data) | _outcome(data) | _failure(data)
    elif event.type == EventType.SESSION_COMPLETED:
        row |= {
            "message_id": _value(data, "final_message_id", str),
            "iterations": _integer(data, "iterations"),
            "duration_ms": _integer(data, "duration_ms"),
        }
    elif event.type in {EventType.SESSION_FAILED, EventType.SESSION_CANCELLED}:
        row |= _model_call(_object(data.get("unfinished"))) | _failure(data)
    elif "tool_call_id" in data or "tool_call" in data:
        row |= _tool_call(data) | _outcome(data)
    return {name: value for name, value in row.items() if value is not None}


def session_row(session: SessionEntry, events: int) -> Row:
    """Return the row of a session, without its agent's name.

    Args:
        session: The session.
        events: How many events the archive has of its log.
    """
    return {
        "id": session.id,
        "title": session.title,
        "agent_id": session.agent_id,
        "end_user": session.end_user,
        "tags": list(session.tags),
        "status": session.status,
        "created_at": session.created_ms,
        "updated_at": session.updated_ms,
        "forked_from_session_id": session.forked_from_session_id,
        "forked_from_sequence": session.forked_from_sequence,
        "events": events,
    }


def _message(data: Mapping[str, Any]) -> Row:
    message = _object(data.get("message"))
    parts = [_object(part) for part in _list(message.get("content"))]
    text = "".join(
        part["text"]
        for part in parts
        if part.get("type") == "text" and isinstance(part.get("text"), str)
    )
    return {
        "message_id": _value(message, "id", str),
        "role": _value(message, "role", str),
        "text": text[:MAX_TEXT],
        "is_shortened": len(text) > MAX_TEXT,
    }


def _model_call(data: Mapping[str, Any]) -> Row:
    """Return what a call of a model took; nothing if no model was called."""
    usage, timing = _object(data.get("usage")), _object(data.get("timing"))
    if not usage and not timing:
        return {}
    return {
        "model": _value(data, "model", str),
        "provider": _value(timing, "provider", str),
        "finish_reason": _value(data, "finish_reason", str),
        "input_tokens": _integer(usage, "input_tokens"),
        "output_tokens": _integer(usage, "output_tokens"),
        "cache_read_tokens": _integer(usage, "cache_read_tokens"),
        "cache_creation_tokens": _integer(usage, "cache_creation_tokens"),
        "cost_usd": _value(usage, "estimated_cost_usd", float),
        "started_ms": _integer(timing, "started_ms"),
        "first_token_ms": _integer(timing, "first_token_ms"),
        "ended_ms": _integer(timing, "ended_ms"),
        "attempts": _integer(timing, "attempts"),
    }


def _tool_call(data: Mapping[str, Any]) -> Row:
    call = _object(data.get("tool_call"))
    name = _value(data, "name", str) or _value(call, "name", str) or ""
    row: Row = {
        "tool_call_id": _value(data, "tool_call_id", str) or _value(call, "id", str),
        "tool_name": name[:MAX_NAME] or None,
        "message_id": _value(data, "message_id", str),
    }
    if "arguments" in call:
        row["arguments"], row["is_shortened"] = _arguments(name, _object(call["arguments"]))
    return row


def _arguments(tool: str, given: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the arguments of a call in short, as JSON, and whether anything is left out."""
    kept = given
    if tool.rpartition("__")[2] in FILE_TOOLS:
        kept = {name: value for name, value in given.items() if name in FILE_ARGUMENTS}
    short = _shortened(kept)
    encoded = orjson.dumps(short).decode()
    if len(encoded) > MAX_ARGUMENTS:
        names = [name[:MAX_NAME] for name in list(kept)[:10]]
        return orjson.dumps(dict.fromkeys(names, "…")).decode(), True
    return encoded, short != given


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= MAX_ARGUMENT else f"{value[:MAX_ARGUMENT]}…"
    if isinstance(value, dict):
        entries = cast("dict[str, Any]", value).items()
        return {_shortened(name): _shortened(inner) for name, inner in entries}
    if isinstance(value, list):
        return [_shortened(inner) for inner in cast("list[Any]", value)]
    return value


def _outcome(data: Mapping[str, Any]) -> Row:
    error = _value(data, "error", str)
    row: Row = {
        "success": _value(data, "success", bool),
        "duration_ms": _integer(data, "duration_ms"),
    }
    return row | (_error(error) if error is not None else {})


def _failure(data: Mapping[str, Any]) -> Row:
    failure = _object(data.get("error"))
    message = _value(failure, "message", str)
    return {
        "error_code": _value(failure, "code", str),
        **(_error(message) if message is not None else {}),
    }


def _error(message: str) -> Row:
    return {"error": message[:MAX_ERROR], "is_shortened": len(message) > MAX_ERROR}


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _value(data: Mapping[str, Any], name: str, kind: type[Value]) -> Value | None:
    value = data.get(name)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return cast("Value", float(value))
    return value if isinstance(value, kind) else None


def _integer(data: Mapping[str, Any], name: str) -> int | None:
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if abs(value) <= MAX_INTEGER else None
