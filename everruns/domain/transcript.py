"""The transcript: the well-formed conversation that is sent to a model.

Providers refuse a conversation in which a tool call has no result or a result has no call. Logs
can contain both: a turn was cancelled, a process died, a history was imported. The transcript
repairs them without changing the log.

Source: docs/contract.md, "Turns".
"""

from collections.abc import Collection, Iterator, Sequence

import orjson

from everruns.domain.messages import (
    ContentPart,
    Message,
    OutputPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from everruns.domain.parts import AttachedFilePart

ORPHAN_ERROR = "No result was recorded for this call."
BLANK = "(The message is blank.)"
MESSAGE_LEFT_OUT = "(What was here cannot be shown to you.)"
CORRECTION = (
    "Your answer is not the value that was asked for. {error} Answer again with nothing but the "
    "whole corrected JSON value."
)
IMAGE_LEFT_OUT = "(An image was here that you cannot see.)"


class Note(Message):
    """What a model is told in place of the user, who has not said it; it is in no log."""


def build_transcript(
    history: Sequence[Message],
    unread: Sequence[Message],
    without_images: Collection[str] = (),
    without_messages: Collection[str] = (),
    note: str | None = None,
) -> list[Message]:
    """Return the messages to send to a model, oldest first.

    Every agent message with tool calls is followed by exactly one ``tool_result`` message per call,
    in call order; results without a call and empty messages are left out; an answer that is not the
    value asked for is followed by a note that says so, if it was or is to be corrected; the
    transcript begins with a user message.

    Args:
        history: The messages that a model has read or written.
        unread: User messages that come after it.
        without_images: Ids of the messages whose images the model refused.
        without_messages: Ids of the messages that the model refused.
        note: What the model is told after the results of its last calls, if anything.
    """
    transcript = list(_well_formed([*history, *unread]))
    if without_images or without_messages:
        transcript = leave_out(transcript, without_images, without_messages)
    while transcript and transcript[0].role not in {"user", "system"}:
        transcript.pop(0)
    if note is not None and transcript and transcript[-1].role == "tool_result":
        transcript.append(_told(transcript[-1], note))
    return transcript


def leave_out(
    messages: Sequence[Message], without_images: Collection[str], without_messages: Collection[str]
) -> list[Message]:
    """Replace messages, or their images, by notes to the model.

    Args:
        messages: A transcript.
        without_images: Ids of messages.
        without_messages: Ids of messages.
    """
    left: list[Message] = []
    for message in messages:
        if message.id in without_messages:
            left.append(_noted(message))
        elif message.id in without_images:
            left.append(leave_out_images(message))
        else:
            left.append(message)
    return left


def _noted(message: Message) -> Message:
    """Return a note in place of a message; its calls, or the call it answers, remain."""
    noted: list[ContentPart] = []
    if message.role != "tool_result":
        noted.append(TextPart(text=MESSAGE_LEFT_OUT))
    for part in message.content:
        if isinstance(part, ToolCallPart):
            noted.append(part.model_copy(update={"arguments": {}}))
        elif isinstance(part, ToolResultPart):
            noted.append(ToolResultPart(tool_call_id=part.tool_call_id, error=MESSAGE_LEFT_OUT))
    return message.model_copy(update={"content": noted, "thinking_blocks": None})


def leave_out_images(message: Message) -> Message:
    """Replace a message's images, also those within results, by a note, and its PDFs by text."""
    content = [
        part.model_copy(update={"base64": None}) if isinstance(part, AttachedFilePart) else part
        for part in message.content
    ]
    return message.model_copy(update={"content": content}).with_images(
        lambda _: TextPart(text=IMAGE_LEFT_OUT)
    )


def _well_formed(messages: Sequence[Message]) -> Iterator[Message]:
    results = _Results(messages)
    for message, following in zip(messages, [*messages[1:], None], strict=False):
        if message.role == "tool_result" or not message.content:
            continue
        answer, returned = results.of_answer(_as_said(message))
        if not _is_blank(answer):
            yield answer
        elif answer.role == "user":
            yield answer.model_copy(update={"content": [TextPart(text=BLANK)]})
        yield from returned
        output = message.output
        if output and output.error is not None and (not following or following.role == "agent"):
            yield _told(message, CORRECTION.format(error=output.error))


def _as_said(message: Message) -> Message:
    """Return a message without the value that it is, since its text says the same."""
    output = message.output
    if output is None:
        return message
    said = [part for part in message.content if not isinstance(part, OutputPart)]
    if not message.text.strip() and output.error is None:
        said += [TextPart(text=orjson.dumps(output.value).decode())]
    return message.model_copy(update={"content": said})


def _told(message: Message, note: str) -> Note:
    """Return a note to the model about what is before it."""
    return Note(
        id=message.id,
        session_id=message.session_id,
        role="user",
        content=[TextPart(text=note)],
        created_at=message.created_at,
    )


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
            # Ids have at most 256 bytes, and a character up to four.
            own = f"{call_id[:60]}_{number}"
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
