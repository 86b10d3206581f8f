"""Conversations that come from elsewhere: the messages of an export, as the log of a new session.

Each user message after an answer begins a turn of its own, as it would have in a conversation, and
each turn is completed; so the log is like any other, and its last turn can be retried.

Source: docs/contract.md, "Export and import".
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field, ValidationError

from everruns.domain.base import Metadata, Tags
from everruns.domain.events import Event, EventType, NewEvent
from everruns.domain.messages import (
    ContentPart,
    ImagePart,
    Message,
    OutputPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from everruns.domain.parts import AttachedFilePart, outcome
from everruns.domain.problems import problems_of
from everruns.domain.state import SessionState
from everruns.errors import InvalidRequest
from everruns.ids import format_time, new_id, parse_time

MAX_MESSAGES = 10_000
PARTS: Mapping[str, tuple[type, ...]] = {
    "user": (TextPart, ImagePart, AttachedFilePart),
    "agent": (TextPart, ToolCallPart, OutputPart),
    "tool_result": (ToolResultPart,),
}


class ImportedMessage(Message):
    """A line of an export, with the limits of a message that is sent."""

    metadata: Metadata = Field(default_factory=dict)
    tags: Tags = Field(default_factory=list)


def read_message(value: Any, line: int) -> Message:
    """Return the message of one line of an export.

    Args:
        value: The line's JSON. Ids, sequences and the session are given anew by the import; fields
            of other versions are ignored.
        line: Its number, for the error.

    Raises:
        InvalidRequest: It is not a message.
    """
    if not isinstance(value, dict):
        raise InvalidRequest(f"line {line}: must be a JSON object, one message")
    anew: dict[str, Any] = {"id": "message_", "session_id": "session_", "sequence": 0}
    try:
        message = ImportedMessage.model_validate(
            {"created_at": "", **value, **anew, "superseded": None}
        )
    except ValidationError as error:
        field, words = next(problems_of(error, ImportedMessage))
        raise InvalidRequest(f"line {line}: {field}: {words}") from None
    if message.created_at:
        try:
            parse_time(message.created_at)
        except ValueError:
            raise InvalidRequest(f"line {line}: created_at: must be an RFC 3339 time") from None
    allowed = PARTS.get(message.role)
    if allowed is None:
        raise InvalidRequest(f"line {line}: role: must be user, agent or tool_result")
    for part in message.content:
        if not isinstance(part, allowed):
            raise InvalidRequest(
                f"line {line}: content: a {message.role} message has no part of type {part.type}"
            )
    return message


def check_conversation(messages: Sequence[Message]) -> None:
    """Check that messages are a conversation: each result belongs to one call before it.

    Raises:
        InvalidRequest: They are not; the message names the line.
    """
    if not messages:
        raise InvalidRequest("body: there is no message to import")
    if len(messages) > MAX_MESSAGES:
        raise InvalidRequest(f"body: holds more than {MAX_MESSAGES} messages")
    called: set[str] = set()
    answered: set[str] = set()
    for line, message in enumerate(messages, 1):
        results = [part for part in message.content if isinstance(part, ToolResultPart)]
        if message.role == "tool_result" and len(results) != 1:
            raise InvalidRequest(f"line {line}: content: must be one tool_result")
        if message.role == "user" and not message.content:
            raise InvalidRequest(f"line {line}: content: must have a text, an image or a file")
        for result in results:
            call_id = result.tool_call_id
            if call_id not in called:
                raise InvalidRequest(f"line {line}: tool_call_id: no call {call_id!r} before it")
            if call_id in answered:
                raise InvalidRequest(f"line {line}: tool_call_id: {call_id!r} has a result already")
            answered.add(call_id)
        for call in message.tool_calls:
            if call.id in called:
                raise InvalidRequest(f"line {line}: content: a call has the id {call.id!r} already")
            called.add(call.id)


def imported_log(
    session_id: str, messages: Sequence[Message], now: int
) -> tuple[list[Event], SessionState]:
    """Return the log of a new session with this conversation, and the state after it.

    Args:
        session_id: The session.
        messages: The conversation, checked.
        now: Milliseconds since the epoch.
    """
    state = SessionState(session_id)
    events: list[Event] = []
    for new in _events(session_id, messages, state, now):
        event = new.at(session_id, state.sequence + 1, now)
        state.apply(event)
        events.append(event)
    return events, state


def _events(
    session_id: str, messages: Sequence[Message], state: SessionState, now: int
) -> Iterator[NewEvent]:
    # Of answers before any message: an agent may have spoken first.
    context: dict[str, Any] = {"turn_id": new_id("turn")}
    names: dict[str, str] = {}
    last_answer: str | None = None
    for place, message in enumerate(messages):
        identity = new_id("message")
        follows_input = place > 0 and messages[place - 1].role == "user"
        if message.role == "user" and not follows_input:
            if state.turn is not None:
                yield _completed(context, last_answer)
            context = {"turn_id": new_id("turn"), "input_message_id": identity}
            last_answer = None
        if message.role == "tool_result":
            yield _result(message.content[0], names, context)
            continue
        stored = message.model_copy(
            update={
                "id": identity,
                "session_id": session_id,
                "sequence": state.sequence + 1,
                "created_at": message.created_at or format_time(now),
            }
        )
        names |= {call.id: call.name for call in message.tool_calls}
        data: dict[str, Any] = {"message": stored.wire()}
        if message.role == "agent":
            last_answer = identity
            data["input_sequence"] = state.sequence
            if message.model is not None:
                data["model"] = message.model
        yield NewEvent(EventType.MESSAGE_CREATED, data, context)
        if message.role == "user" and not follows_input:
            yield NewEvent(EventType.SESSION_STARTED, context, context)
    if state.turn is not None:
        yield _completed(context, last_answer)


def _result(part: ContentPart, names: Mapping[str, str], context: dict[str, Any]) -> NewEvent:
    assert isinstance(part, ToolResultPart)  # noqa: S101
    data = {
        "tool_call_id": part.tool_call_id,
        "name": names[part.tool_call_id],
        "success": part.error is None,
        **outcome(part.result, part.error, part.parts),
        "duration_ms": 0,
    }
    return NewEvent(EventType.TOOL_RESULT, data, context)


def _completed(context: dict[str, Any], last_answer: str | None) -> NewEvent:
    data = {
        "turn_id": context["turn_id"],
        "iterations": 0,
        "duration_ms": 0,
        "usage": {"input_tokens": 0, "output_tokens": 0},
        **({"final_message_id": last_answer} if last_answer else {}),
    }
    return NewEvent(EventType.SESSION_COMPLETED, data, context)
