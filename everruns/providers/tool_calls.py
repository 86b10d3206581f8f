"""Translation of tool calls between models and the log, for every protocol.

Models invent duplicate ids, names of missing tools and arguments that are not JSON. The log needs
ids that are unique in their session; providers refuse names and ids in other formats.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2s
from string import ascii_letters, digits
from types import MappingProxyType
from typing import Any, cast

import orjson

from everruns.domain.exact_json import MAX_INTEGER, InexactNumber, decode_exactly, is_deeper
from everruns.domain.messages import Message, ToolCallPart, ToolResultPart
from everruns.domain.parts import FilePart, ImagePart, JsonPart, ResultPart, TextPart
from everruns.domain.tools import ToolCall
from everruns.ids import new_id
from everruns.providers.base import ModelRequest
from everruns.providers.deltas import whole_characters

MAX_ENCODINGS = 3
# Much deeper values cannot be written as JSON again.
MAX_DEPTH = 100
# Characters quoted of arguments that are not a JSON object.
QUOTED_CHARACTERS = 200
IMAGE_FOLLOWS = "(The image follows in the next message.)"
NOTHING_RETURNED = "(The tool returned nothing.)"

_ID_CHARACTERS = ascii_letters + digits
USUAL_ID = r"[a-zA-Z0-9_.:-]{1,64}"
_OUR_ID = re.compile(r"call_[0-9a-f]{32}")
_UNNAMED_ID = re.compile(r"[a-zA-Z0-9_-]{1,40}")


@dataclass
class RawCall:
    """A call while a model streams it: every part may still grow, or be missing."""

    id: str = ""
    name: str = ""
    arguments: str = ""


class UnusableArguments(Exception):
    """The arguments of a call cannot be used; the message tells the model why."""


def read_calls(
    raw_calls: Sequence[RawCall],
    transcript: Sequence[Message],
    own_names: Mapping[str, str] = MappingProxyType({}),
) -> tuple[list[ToolCall], dict[str, str]]:
    """Convert a model's raw calls.

    Args:
        raw_calls: In the model's order.
        transcript: The conversation, whose call ids must not be reused.
        own_names: The names of tools by those under which the model knows them.

    Returns:
        The calls, and for those without usable arguments the reason that the model is told, by
        call id.
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
    refused: dict[str, str] = {}
    for raw in raw_calls:
        identity = whole_characters(raw.id)
        if not identity or identity in taken or len(identity.encode()) > 256:
            identity = new_id("call")
        taken.add(identity)
        arguments: dict[str, Any] = {}
        try:
            arguments = read_arguments(whole_characters(raw.arguments))
        except UnusableArguments as error:
            refused[identity] = str(error)
        # Servers of OpenAI's open models leave marks of their format at the end of names.
        name = whole_characters(raw.name).partition("<|")[0]
        name = own_names.get(name, name)
        calls.append(ToolCall(id=identity, name=name, arguments=arguments))
    return calls, refused


def read_arguments(text: str) -> dict[str, Any]:
    """Read the arguments of a call: an object, which some servers encode twice.

    Nothing, ``null`` and an empty array count as an empty object, as some servers send them.
    Others send an empty object before the pieces of the arguments, or all of it again after them.

    Raises:
        UnusableArguments: They are not an object, they are nested too deeply, or a number in them
            cannot be passed on exactly.
    """
    value: Any = text
    for _ in range(MAX_ENCODINGS):
        if not isinstance(value, str):
            break
        value = _read_json(value) if value.strip() else {}
    if value is None or value == []:
        return {}
    if not isinstance(value, dict):
        raise _no_object(text)
    if text.count("{") + text.count("[") > MAX_DEPTH and is_deeper(value, MAX_DEPTH):
        raise UnusableArguments(f"The arguments are nested more than {MAX_DEPTH} levels deep.")
    return cast("dict[str, Any]", value)


def _read_json(text: str) -> Any:
    try:
        return _decoded(text)
    except (json.JSONDecodeError, RecursionError, TypeError):
        pass
    try:
        return _decoded(_without_repeats(text))
    except (json.JSONDecodeError, RecursionError, TypeError):
        raise _no_object(text) from None


def _decoded(text: str) -> Any:
    try:
        return decode_exactly(text)
    except InexactNumber as error:
        raise UnusableArguments(
            f"The number {error.number} cannot be passed on exactly. Pass it as a string if the "
            "tool takes one."
        ) from None


def _without_repeats(text: str) -> str:
    """Return the object that a text has after an empty one, or twice in a row."""
    decoder = json.JSONDecoder(strict=False)
    first, end = decoder.raw_decode(text)
    rest = text[end:].strip()
    second, end = decoder.raw_decode(rest)
    repeats = isinstance(second, dict) and end == len(rest) and first in ({}, second)
    return rest if repeats else text


def exact_json(value: Any) -> str:
    """Return arguments that came as a JSON value as text; nothing is an empty text.

    Whole numbers beyond 64 bits, which decoding has rounded, are written in full, so that
    ``read_arguments`` refuses them.
    """
    return "" if value is None else json.dumps(_spelled_out(value))


def _spelled_out(value: Any) -> Any:
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {name: _spelled_out(item) for name, item in fields.items()}
    if isinstance(value, list):
        return [_spelled_out(item) for item in cast("list[Any]", value)]
    is_rounded = isinstance(value, float) and value.is_integer() and abs(value) > MAX_INTEGER / 2
    return int(value) if is_rounded else value


def _no_object(text: str) -> UnusableArguments:
    return UnusableArguments(f"The arguments are not a JSON object: {text[:QUOTED_CHARACTERS]}")


def sent_ids(request: ModelRequest, form: str = USUAL_ID) -> dict[str, str]:
    """Return the ids under which calls and their results go to a provider, by our ids.

    A model keeps the ids that it made: some models read them. All others become nine letters and
    digits, the only form that every provider accepts, and every vendor behind one gateway.

    Args:
        request: The request.
        form: The form of the ids that the server may have made, as a regular expression.

    Source: https://docs.mistral.ai/capabilities/function_calling ("a-z, A-Z, 0-9, with a length
    of 9" in its errors).
    """
    ids: dict[str, str] = {}
    for message in request.messages:
        if message.role == "agent" and (calls := message.tool_calls):
            is_own = request.model_wrote(message)
            for call in calls:
                keeps = is_own and re.fullmatch(form, call.id) and not _OUR_ID.fullmatch(call.id)
                if message.model is None:
                    keeps = keeps and _UNNAMED_ID.fullmatch(call.id)
                ids[call.id] = call.id if keeps else nine_letters(call.id)
    return ids


def nine_letters(call_id: str) -> str:
    """Return nine letters and digits that stand for an id."""
    number = int.from_bytes(blake2s(call_id.encode(), digest_size=16).digest())
    letters: list[str] = []
    for _ in range(9):
        number, index = divmod(number, len(_ID_CHARACTERS))
        letters.append(_ID_CHARACTERS[index])
    return "".join(letters)


def json_text(value: Any) -> str:
    """Return a JSON value as text."""
    return orjson.dumps(value).decode()


def result_text(part: ToolResultPart) -> str:
    """Return a result as the text that a model reads. It is never blank, which some refuse.

    Images in it follow elsewhere.
    """
    return "\n\n".join(
        shown.text if isinstance(shown, TextPart) else IMAGE_FOLLOWS for shown in result_parts(part)
    )


def result_parts(part: ToolResultPart) -> list[TextPart | ImagePart]:
    """Return a result as the parts that a model reads: at least one, and no blank text."""
    if part.error is not None:
        return [TextPart(text=json_text({"error": part.error}))]
    if part.parts is None:
        return [TextPart(text=_shown_text(part.result))]
    return [_shown(shown) for shown in part.parts] or [TextPart(text=NOTHING_RETURNED)]


def _shown(part: ResultPart) -> TextPart | ImagePart:
    match part:
        case ImagePart():
            return part
        case TextPart():
            return TextPart(text=_shown_text(part.text))
        case JsonPart():
            return TextPart(text=_shown_text(part.value))
        case FilePart():
            media_type = f", {part.media_type}" if part.media_type else ""
            return TextPart(
                text=f"(The file {part.path}{media_type}, {part.size_bytes} bytes, is in the "
                "session's workspace.)"
            )


def _shown_text(value: Any) -> str:
    return value if isinstance(value, str) and value.strip() else json_text(value)
