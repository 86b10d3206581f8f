"""The transcript: the well-formed conversation that is sent to a model.

Providers refuse a conversation in which a tool call has no result or a result has no call. Logs
can contain both: a turn was cancelled, a process died, a history was imported. The transcript
repairs them without changing the log.

Source: docs/contract.md, "Turns".
"""

from collections.abc import Collection, Iterator, Sequence

from everruns.domain.messages import ImagePart, Message, TextPart, ToolResultPart

ORPHAN_ERROR = "No result was recorded for this call."
BLANK = "(The message is blank.)"
IMAGE_LEFT_OUT = "(An image was here that you cannot see.)"


def build_transcript(
    history: Sequence[Message], unread: Sequence[Message], without_images: Collection[str] = ()
) -> list[Message]:
    """Return the messages to send to a model, oldest first.

    Every agent message with tool calls is followed by exactly one ``tool_result`` message per call,
    in call order; results without a call and empty messages are left out; the transcript begins
    with a user message.

    Args:
        history: The messages that a model has read or written.
        unread: User messages that come after it.
        without_images: Ids of the messages whose images the model refused.
    """
    results = {
        part.tool_call_id: message
        for message in history
        for part in message.content
        if isinstance(part, ToolResultPart)
    }
    transcript = [
        leave_out_images(message) if message.id in without_images else message
        for message in _well_formed([*history, *unread], results)
    ]
    while transcript and transcript[0].role not in {"user", "system"}:
        transcript.pop(0)
    return transcript


def leave_out_images(message: Message) -> Message:
    """Replace a message's images by a note to the model."""
    content = [
        TextPart(text=IMAGE_LEFT_OUT) if isinstance(part, ImagePart) else part
        for part in message.content
    ]
    return message.model_copy(update={"content": content})


def _well_formed(messages: Sequence[Message], results: dict[str, Message]) -> Iterator[Message]:
    for message in messages:
        if message.role == "tool_result" or not message.content:
            continue
        if not _is_blank(message):
            yield message
        elif message.role == "user":
            yield message.model_copy(update={"content": [TextPart(text=BLANK)]})
        for call in message.tool_calls:
            yield results.get(call.id) or _orphan(message, call.id)


def _is_blank(message: Message) -> bool:
    """Tell whether a message has no text and nothing else, which providers refuse."""
    for part in message.content:
        if not isinstance(part, TextPart) or (part.text and not part.text.isspace()):
            return False
    return True


def _orphan(message: Message, call_id: str) -> Message:
    return Message(
        id=message.id,
        session_id=message.session_id,
        role="tool_result",
        content=[ToolResultPart(tool_call_id=call_id, error=ORPHAN_ERROR)],
        created_at=message.created_at,
    )
