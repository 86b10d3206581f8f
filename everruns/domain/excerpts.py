"""Messages as plain text: for lists and summaries, and for looking things up in a conversation."""

import orjson

from everruns.domain.messages import (
    ContentPart,
    Message,
    OutputPart,
    ToolCallPart,
    ToolResultPart,
)
from everruns.domain.parts import (
    AttachedFilePart,
    FilePart,
    ImagePart,
    JsonPart,
    ResultPart,
    TextPart,
)

PREVIEW_CHARACTERS = 200
_SPEAKERS = {"user": "User", "agent": "Assistant", "tool_result": "Tool", "system": "System"}


def speaker_of(message: Message) -> str:
    """Return who said a message, for a model."""
    return _SPEAKERS[message.role]


def preview_of(message: Message) -> str:
    """Return the beginning of what a message says, for lists.

    It lacks NUL characters, which a model may write and PostgreSQL does not take.
    """
    return message.text[:PREVIEW_CHARACTERS].replace("\0", "")


def plain_text(message: Message) -> str:
    """Return what a message says, with its calls, results and images as text."""
    return "\n".join(filter(None, map(_part_text, message.content)))


def shortened(text: str, limit: int) -> str:
    """Return a text of at most about ``limit`` characters: its beginning and its end."""
    if len(text) <= limit:
        return text
    head, tail = limit * 3 // 4, limit // 4
    left_out = len(text) - head - tail
    return f"{text[:head]} […{left_out:,} characters left out…] {text[len(text) - tail :]}"


def _part_text(part: ContentPart | ResultPart) -> str:
    match part:
        case TextPart():
            text = part.text
        case ImagePart():
            text = "[an image]"
        case AttachedFilePart():
            text = f"[the file {part.filename}]\n{part.text}"
        case ToolCallPart():
            text = f"[calls {part.name} with {_json_text(part.arguments)}]"
        case ToolResultPart():
            text = _result_text(part)
        case JsonPart():
            text = _json_text(part.value)
        case FilePart():
            text = f"[the file {part.path}]"
        case OutputPart():
            # A value stands in the text too.
            text = f"[not the value that was asked for: {part.error}]" if part.error else ""
    return text


def _result_text(part: ToolResultPart) -> str:
    if part.error is not None:
        return f"[error] {part.error}"
    if part.parts is not None:
        return "\n".join(map(_part_text, part.parts))
    return part.result if isinstance(part.result, str) else _json_text(part.result)


def _json_text(value: object) -> str:
    return orjson.dumps(value).decode()
