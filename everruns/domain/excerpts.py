"""Messages as plain text: for summaries of a conversation, and for looking things up in it."""

import orjson

from everruns.domain.messages import ContentPart, ImagePart, Message, TextPart, ToolCallPart

_SPEAKERS = {"user": "User", "agent": "Assistant", "tool_result": "Tool", "system": "System"}


def speaker_of(message: Message) -> str:
    """Return who said a message, for a model."""
    return _SPEAKERS[message.role]


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


def _part_text(part: ContentPart) -> str:
    match part:
        case TextPart():
            return part.text
        case ImagePart():
            return "[an image]"
        case ToolCallPart():
            return f"[calls {part.name} with {orjson.dumps(part.arguments).decode()}]"
        case _:
            if part.error is not None:
                return f"[error] {part.error}"
            return part.result if isinstance(part.result, str) else _json_text(part.result)


def _json_text(value: object) -> str:
    return orjson.dumps(value).decode()
