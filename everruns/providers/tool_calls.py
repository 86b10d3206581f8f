"""Translation of tool calls between models and the log, for every protocol.

Models invent duplicate ids, names of missing tools and arguments that are not JSON. The log needs
ids that are unique in their session; providers refuse names and ids in other formats.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2s
from typing import Any, cast

import orjson

from everruns.domain.messages import Message, ToolCallPart, ToolResultPart
from everruns.domain.tools import ToolCall, ToolDefinition
from everruns.ids import new_id

_ACCEPTED_ID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
_REFUSED_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass
class RawCall:
    """A call while a model streams it: every part may still grow, or be missing."""

    id: str = ""
    name: str = ""
    arguments: str = ""


def read_calls(
    raw_calls: Sequence[RawCall], transcript: Sequence[Message]
) -> tuple[list[ToolCall], dict[str, str]]:
    """Convert a model's raw calls.

    Args:
        raw_calls: In the model's order.
        transcript: The conversation, whose call ids must not be reused.

    Returns:
        The calls, and the arguments that were not a JSON object, by call id.
    """
    if not raw_calls:
        return [], {}
    taken = {
        part.id
        for message in transcript
        for part in message.content
        if isinstance(part, ToolCallPart)
    }
    calls: list[ToolCall] = []
    invalid: dict[str, str] = {}
    for raw in raw_calls:
        identity = raw.id
        if not identity or identity in taken or len(identity.encode()) > 256:
            identity = new_id("call")
        taken.add(identity)
        arguments = _object(raw.arguments)
        if arguments is None:
            invalid[identity] = raw.arguments
        calls.append(ToolCall(id=identity, name=raw.name, arguments=arguments or {}))
    return calls, invalid


def _object(text: str) -> dict[str, Any] | None:
    if not text.strip():
        return {}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def accepted_id(call_id: str) -> str:
    """Return an id that every provider accepts, the same for call and result."""
    if _ACCEPTED_ID.fullmatch(call_id):
        return call_id
    return "call_" + blake2s(call_id.encode(), digest_size=16).hexdigest()


def accepted_name(name: str) -> str:
    """Return a tool's name in a form that every provider accepts in a transcript."""
    return _REFUSED_IN_NAMES.sub("_", name)[:64] or "unnamed"


def json_text(value: Any) -> str:
    """Return a JSON value as text."""
    return orjson.dumps(value).decode()


def result_text(part: ToolResultPart) -> str:
    """Return a result as the text that a model reads."""
    if part.error is not None:
        return orjson.dumps({"error": part.error}).decode()
    return part.result if isinstance(part.result, str) else orjson.dumps(part.result).decode()


def input_schema(tool: ToolDefinition) -> dict[str, Any]:
    """Return a tool's schema with the fields that every provider requires."""
    return {"type": "object", "properties": {}, **tool.parameters}
