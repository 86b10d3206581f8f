"""The transcript: the well-formed conversation that is sent to a model.

Providers refuse a conversation in which a tool call has no result or a result has no call. Logs
can contain both: a turn was cancelled, a process died, a history was imported. The transcript
repairs them without changing the log.

Source: docs/contract.md, "Turns".
"""

from collections.abc import Collection, Iterator, Sequence

from everruns.domain.messages import ImagePart, Message, TextPart, ToolCallPart, ToolResultPart

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
    transcript = [
        leave_out_images(message) if message.id in without_images else message
        for message in _well_formed([*history, *unread])
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


def _well_formed(messages: Sequence[Message]) -> Iterator[Message]:
    results = _Results(messages)
    for message in messages:
        if message.role == "tool_result" or not message.content:
            continue
        answer, returned = results.of_answer(message)
        if not _is_blank(answer):
            yield answer
        elif answer.role == "user":
            yield answer.model_copy(update={"content": [TextPart(text=BLANK)]})
        yield from returned


class _Results:
    """The results of a conversation, each of which is handed to one call.

    Of several calls with one id, each gets an id of its own and, in their order, one of the
    results; a call without one gets an error. The first result of a call counts: it is the one
    that a model has read.
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        self._left: dict[str, list[Message]] = {}
        self._taken = {call.id for message in messages for call in message.tool_calls}
        self._called: set[str] = set()
        for message in messages:
            for part in message.content:
                if isinstance(part, ToolResultPart):
                    self._left.setdefault(part.tool_call_id, []).append(message)

    def of_answer(self, message: Message) -> tuple[Message, list[Message]]:
        """Return an answer whose calls have ids of their own, and their results."""
        calls = message.tool_calls
        ids = [self._own_id(call.id) for call in calls]
        returned = [
            self._result(message, call.id, own) for call, own in zip(calls, ids, strict=True)
        ]
        if ids == [call.id for call in calls]:
            return message, returned
        following = iter(ids)
        content = [
            part.model_copy(update={"id": next(following)})
            if isinstance(part, ToolCallPart)
            else part
            for part in message.content
        ]
        return message.model_copy(update={"content": content}), returned

    def _own_id(self, call_id: str) -> str:
        own, number = call_id, 1
        while own in self._called or (number > 1 and own in self._taken):
            number += 1
            own = f"{call_id}_{number}"
        self._called.add(own)
        return own

    def _result(self, message: Message, call_id: str, own_id: str) -> Message:
        left = self._left.get(call_id)
        if not left:
            return _orphan(message, own_id)
        result = left.pop(0)
        if own_id == call_id:
            return result
        content = [
            part.model_copy(update={"tool_call_id": own_id})
            for part in result.content
            if isinstance(part, ToolResultPart)
        ]
        return result.model_copy(update={"content": content})


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
