"""Events: a session's durable log, and what passes by without being stored.

A durable event is encoded once, when it is appended. These bytes go unchanged to the database and
to every reader.

Source: docs/contract.md, "Events".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal

import orjson

from everruns.domain.base import Model
from everruns.ids import EVENT_ID_LENGTH, copied_id, event_id, format_time


class EventType(StrEnum):
    """Every type of event on the wire."""

    SESSION_FORKED = "session.forked"
    SESSION_STARTED = "session.started"
    CAPABILITIES_PREPARED = "capabilities.prepared"
    MESSAGE_CREATED = "message.created"
    MESSAGE_DELTA = "message.delta"
    REASONING_DELTA = "reasoning.delta"
    TOOL_CALL = "tool.call"
    TOOL_APPROVAL = "tool.approval"
    TOOL_SUSPENDED = "tool.suspended"
    TOOL_RESUMED = "tool.resumed"
    TOOL_QUESTION_CLOSED = "tool.question_closed"
    TOOL_PROGRESS = "tool.progress"
    TOOL_RESULT = "tool.result"
    WAIT_REMINDER = "wait.reminder"
    CONTEXT_COMPACTING = "context.compacting"
    CONTEXT_COMPACTED = "context.compacted"
    SESSION_COMPLETED = "session.completed"
    SESSION_FAILED = "session.failed"
    SESSION_CANCELLED = "session.cancelled"


TurnOutcome = Literal["completed", "failed", "cancelled"]

TURN_OUTCOMES: Mapping[str, TurnOutcome] = {
    EventType.SESSION_COMPLETED: "completed",
    EventType.SESSION_FAILED: "failed",
    EventType.SESSION_CANCELLED: "cancelled",
}
"""How a turn has ended, by the event that ends it."""

TURN_ENDS = frozenset(
    {EventType.SESSION_COMPLETED, EventType.SESSION_FAILED, EventType.SESSION_CANCELLED}
)


MESSAGE_EVENTS = (EventType.MESSAGE_CREATED, EventType.TOOL_RESULT)
"""The events that add a message to the conversation."""


class EventContext(Model):
    """What an event belongs to."""

    turn_id: str | None = None
    input_message_id: str | None = None


@dataclass(frozen=True)
class Event:
    """A durable event: the columns by which it is found, and its envelope as JSON.

    Attributes:
        session_id: Whose log it is in.
        sequence: Its place there, counted from 1 without gaps.
        id: ``event_…``, which holds the sequence (see ``everruns.ids``).
        type: One of ``EventType``.
        turn_id: The turn it belongs to.
        ts: Milliseconds since the epoch.
        body: The envelope, UTF-8 JSON on one line.
    """

    session_id: str
    sequence: int
    id: str
    type: str
    turn_id: str | None
    ts: int
    body: bytes

    @property
    def envelope(self) -> dict[str, Any]:
        """The envelope, decoded anew: events are many and mostly passed on as they are."""
        return orjson.loads(self.body)

    @property
    def data(self) -> dict[str, Any]:
        """The payload; its fields depend on the event's type."""
        return self.envelope["data"]

    @property
    def context(self) -> dict[str, Any]:
        """What the event belongs to: turn, input message, idempotency."""
        return self.envelope["context"]

    def copied(self, session_id: str) -> "Event":
        """Return the event as it is at the same place in the log of a fork.

        Only its own id, its session and the session of its message differ. What a user, a model
        or a tool has said is never touched, even if it names the session.
        """
        identity = copied_id(self.id, session_id)
        own, other = session_field(self.session_id), session_field(session_id)
        head, tail = self.body[: len(ID_FIELD)], self.body[BODY_AFTER_ID:]
        # Only ids and a time come before a message, so its session is the second that is named.
        named = 2 if self.type == EventType.MESSAGE_CREATED else 1
        body = head + identity.encode() + tail.replace(own.encode(), other.encode(), named)
        return replace(self, session_id=session_id, id=identity, body=body)


ID_FIELD = '{"id":"'
"""What every body begins with, before the event's id."""

BODY_AFTER_ID = len(ID_FIELD) + EVENT_ID_LENGTH
"""Where the rest of a body begins."""


def session_field(session_id: str) -> str:
    """Return the field of a body that names a session."""
    return f'"session_id":"{session_id}"'


@dataclass(frozen=True)
class NewEvent:
    """An event that is not in a log yet."""

    type: EventType
    data: dict[str, Any]
    context: dict[str, Any]

    def at(self, session_id: str, sequence: int, ts: int) -> Event:
        """Encode the event for its position in a session's log."""
        identity = event_id(session_id, ts, sequence)
        body = orjson.dumps(
            {
                "id": identity,
                "type": self.type,
                "ts": format_time(ts),
                "session_id": session_id,
                "sequence": sequence,
                "context": self.context,
                "data": self.data,
            }
        )
        turn_id = self.context.get("turn_id")
        return Event(session_id, sequence, identity, self.type, turn_id, ts, body)


@dataclass(frozen=True)
class Delta:
    """A piece of the message being written, for readers only.

    Attributes:
        type: ``message.delta`` or ``reasoning.delta``.
        message_id: The id that the finished message will have.
        offset: Code points of that message (or of its reasoning) before this piece.
        text: The piece.
        position: Code points of reasoning and text before this piece, plus one.
        sequence: The last durable event before it.
        turn_id: The turn it belongs to.
        ts: Milliseconds since the epoch.
    """

    type: EventType
    message_id: str
    offset: int
    text: str
    position: int
    sequence: int
    turn_id: str | None
    ts: int

    def id(self, session_id: str) -> str:
        """Return the id by which a client can resume from here."""
        return event_id(session_id, self.ts, self.sequence, self.position)

    def body(self, session_id: str) -> bytes:
        """Encode the envelope."""
        return orjson.dumps(
            {
                "id": self.id(session_id),
                "type": self.type,
                "ts": format_time(self.ts),
                "session_id": session_id,
                "context": {"turn_id": self.turn_id},
                "data": {
                    "message_id": self.message_id,
                    "offset": self.offset,
                    "delta": self.text,
                },
            }
        )


@dataclass(frozen=True)
class ToolProgress:
    """What a running tool says about its progress, for readers only.

    Attributes:
        call_id: The call.
        tool_name: Its tool.
        text: How far it is, in the tool's words.
        sequence: The last durable event before it.
        turn_id: The turn it belongs to.
        ts: Milliseconds since the epoch; increases from one to the next.
        type: ``tool.progress``.
    """

    call_id: str
    tool_name: str
    text: str
    sequence: int
    turn_id: str | None
    ts: int
    type: EventType = EventType.TOOL_PROGRESS

    @property
    def data(self) -> dict[str, Any]:
        """The payload."""
        return {"tool_call_id": self.call_id, "tool_name": self.tool_name, "message": self.text}

    def body(self, session_id: str) -> bytes:
        """Encode the envelope."""
        return orjson.dumps(
            {
                "id": event_id(session_id, self.ts, self.sequence),
                "type": self.type,
                "ts": format_time(self.ts),
                "session_id": session_id,
                "context": {"turn_id": self.turn_id},
                "data": self.data,
            }
        )


Passing = Delta | ToolProgress
"""What readers are shown and the log does not have."""


def body_bytes(events: Iterable[Event]) -> int:
    """Return the size of the bodies of events together."""
    return sum(len(event.body) for event in events)
