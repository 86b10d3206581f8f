"""Each type of event as it is streamed and listed, for the OpenAPI document.

The log's events are encoded where they are appended and passed on as they are; tests hold them
against these models.

Source: docs/contract.md, "Events".
"""

from typing import Annotated, Literal

from pydantic import Field, RootModel

from everruns.api.v1.event_data import (
    CapabilitiesPrepared,
    ContextCompacted,
    ContextCompacting,
    MessageCreated,
    SessionForked,
    Stretch,
    ToolAnswered,
    ToolApproval,
    ToolCalled,
    ToolProgressed,
    ToolQuestionClosed,
    ToolResumed,
    ToolSuspended,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnStarted,
    WaitReminder,
)
from everruns.domain.base import Model
from everruns.domain.events import EventContext

EXAMPLE_STREAM = (
    "retry: 100\n"
    "event: connected\n"
    'data: {"status":"connected"}\n\n'
    "event: message.delta\n"
    'data: {"id":"event_…","type":"message.delta","ts":"2026-01-31T10:00:00.000Z",'
    '"session_id":"session_…","context":{"turn_id":"turn_…"},'
    '"data":{"message_id":"message_…","offset":0,"delta":"Hello"}}\n\n'
    ": heartbeat\n\n"
    "event: session.completed\n"
    "id: event_…\n"
    'data: {"id":"event_…","type":"session.completed", …}\n\n'
)


class _Envelope(Model):
    id: str = Field(description="Sorts by time and sequence; usable as a cursor.")
    ts: str
    session_id: str
    context: EventContext = EventContext()


class _DurableEnvelope(_Envelope):
    sequence: int


class SessionForkedEvent(_DurableEnvelope):
    """``session.forked``."""

    type: Literal["session.forked"]
    data: SessionForked


class SessionStartedEvent(_DurableEnvelope):
    """``session.started``."""

    type: Literal["session.started"]
    data: TurnStarted


class CapabilitiesPreparedEvent(_DurableEnvelope):
    """``capabilities.prepared``; shown to those who may read agents."""

    type: Literal["capabilities.prepared"]
    data: CapabilitiesPrepared


class MessageCreatedEvent(_DurableEnvelope):
    """``message.created``."""

    type: Literal["message.created"]
    data: MessageCreated


class DeltaEvent(_Envelope):
    """``message.delta`` and ``reasoning.delta``, which are transient."""

    type: Literal["message.delta", "reasoning.delta"]
    data: Stretch


class ToolCallEvent(_DurableEnvelope):
    """``tool.call``."""

    type: Literal["tool.call"]
    data: ToolCalled


class ToolSuspendedEvent(_DurableEnvelope):
    """``tool.suspended``; shown to those who may read agents."""

    type: Literal["tool.suspended"]
    data: ToolSuspended


class ToolResumedEvent(_DurableEnvelope):
    """``tool.resumed``."""

    type: Literal["tool.resumed"]
    data: ToolResumed


class ToolQuestionClosedEvent(_DurableEnvelope):
    """``tool.question_closed``."""

    type: Literal["tool.question_closed"]
    data: ToolQuestionClosed


class ToolApprovalEvent(_DurableEnvelope):
    """``tool.approval``."""

    type: Literal["tool.approval"]
    data: ToolApproval


class ToolProgressEvent(_Envelope):
    """``tool.progress``, which is transient."""

    type: Literal["tool.progress"]
    data: ToolProgressed


class ToolResultEvent(_DurableEnvelope):
    """``tool.result``."""

    type: Literal["tool.result"]
    data: ToolAnswered


class WaitReminderEvent(_DurableEnvelope):
    """``wait.reminder``."""

    type: Literal["wait.reminder"]
    data: WaitReminder


class ContextCompactingEvent(_DurableEnvelope):
    """``context.compacting``."""

    type: Literal["context.compacting"]
    data: ContextCompacting


class ContextCompactedEvent(_DurableEnvelope):
    """``context.compacted``."""

    type: Literal["context.compacted"]
    data: ContextCompacted


class SessionCompletedEvent(_DurableEnvelope):
    """``session.completed``."""

    type: Literal["session.completed"]
    data: TurnCompleted


class SessionFailedEvent(_DurableEnvelope):
    """``session.failed``."""

    type: Literal["session.failed"]
    data: TurnFailed


class SessionCancelledEvent(_DurableEnvelope):
    """``session.cancelled``."""

    type: Literal["session.cancelled"]
    data: TurnCancelled


AnyEvent = Annotated[
    SessionForkedEvent
    | SessionStartedEvent
    | CapabilitiesPreparedEvent
    | MessageCreatedEvent
    | DeltaEvent
    | ToolCallEvent
    | ToolSuspendedEvent
    | ToolResumedEvent
    | ToolQuestionClosedEvent
    | ToolApprovalEvent
    | ToolProgressEvent
    | ToolResultEvent
    | WaitReminderEvent
    | ContextCompactingEvent
    | ContextCompactedEvent
    | SessionCompletedEvent
    | SessionFailedEvent
    | SessionCancelledEvent,
    Field(discriminator="type"),
]


class Event(RootModel[AnyEvent]):
    """An event, as streamed and listed."""


class EventList(Model):
    """Events of a session, oldest first."""

    data: list[Event]
