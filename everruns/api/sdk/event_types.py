"""Each event on the SDK's face, for the OpenAPI document.

Tests check the output of ``everruns.api.sdk.events`` against these models.

Source: docs/sdk.md, "Events"; the OpenAPI document of Everruns, whose names of schemas these are.
"""

from typing import Annotated, Literal

from pydantic import Field, RootModel

from everruns.api.sdk.event_data import (
    ActStartedData,
    ContextCompactedData,
    ContextCompactingData,
    InputMessageData,
    OutputMessageCompletedData,
    ReasonCompletedData,
    ReasonStartedData,
    ReasonThinkingCompletedData,
    SessionIdledData,
    StreamDeltaData,
    StreamStartedData,
    ToolCallRequestedData,
    ToolCompletedData,
    ToolStartedData,
    TurnCancelledData,
    TurnCompletedData,
    TurnFailedData,
    TurnStartedData,
)
from everruns.api.v1.event_data import SessionForked, ToolApproval, ToolProgressed, WaitReminder
from everruns.domain.base import Model
from everruns.domain.events import EventContext

SDK_EXAMPLE_STREAM = (
    "retry: 100\n"
    "event: connected\n"
    'data: {"status":"connected"}\n\n'
    "event: output.message.delta\n"
    "id: event_…\n"
    'data: {"id":"event_…","type":"output.message.delta","ts":"2026-01-31T10:00:00.000Z",'
    '"session_id":"session_…","context":{"turn_id":"turn_…"},'
    '"data":{"turn_id":"turn_…","delta":" world","accumulated":"Hello world"}}\n\n'
    ": heartbeat\n\n"
    "event: turn.completed\n"
    "id: event_…\n"
    'data: {"id":"event_…","type":"turn.completed", …}\n\n'
)


class _SdkEnvelope(Model):
    id: str = Field(description="Sorts by time and sequence; usable as a cursor.")
    ts: str
    session_id: str
    context: EventContext = EventContext()


class _SdkLoggedEnvelope(_SdkEnvelope):
    sequence: int = Field(
        description="Strictly increasing within the session, with gaps; usable as a cursor."
    )


class InputMessageEvent(_SdkLoggedEnvelope):
    """``input.message``."""

    type: Literal["input.message"]
    data: InputMessageData


class TurnStartedEvent(_SdkLoggedEnvelope):
    """``session.activated`` and ``turn.started``."""

    type: Literal["session.activated", "turn.started"]
    data: TurnStartedData


class ReasonStartedEvent(_SdkEnvelope):
    """``reason.started``, which is transient."""

    type: Literal["reason.started"]
    data: ReasonStartedData


class StreamStartedEvent(_SdkEnvelope):
    """``reason.thinking.started`` and ``output.message.started``, which are transient."""

    type: Literal["reason.thinking.started", "output.message.started"]
    data: StreamStartedData


class StreamDeltaEvent(_SdkEnvelope):
    """``reason.thinking.delta`` and ``output.message.delta``, which are transient."""

    type: Literal["reason.thinking.delta", "output.message.delta"]
    data: StreamDeltaData


class ReasonThinkingCompletedEvent(_SdkLoggedEnvelope):
    """``reason.thinking.completed``."""

    type: Literal["reason.thinking.completed"]
    data: ReasonThinkingCompletedData


class ReasonCompletedEvent(_SdkLoggedEnvelope):
    """``reason.completed``."""

    type: Literal["reason.completed"]
    data: ReasonCompletedData


class OutputMessageCompletedEvent(_SdkLoggedEnvelope):
    """``output.message.completed``."""

    type: Literal["output.message.completed"]
    data: OutputMessageCompletedData


class ActStartedEvent(_SdkLoggedEnvelope):
    """``act.started``."""

    type: Literal["act.started"]
    data: ActStartedData


class ToolStartedEvent(_SdkLoggedEnvelope):
    """``tool.started``."""

    type: Literal["tool.started"]
    data: ToolStartedData


class ToolCallRequestedEvent(_SdkLoggedEnvelope):
    """``tool.call_requested``."""

    type: Literal["tool.call_requested"]
    data: ToolCallRequestedData


class SdkToolApprovalEvent(_SdkLoggedEnvelope):
    """``tool.approval``."""

    type: Literal["tool.approval"]
    data: ToolApproval


class SdkSessionForkedEvent(_SdkLoggedEnvelope):
    """``session.forked``."""

    type: Literal["session.forked"]
    data: SessionForked


class SdkWaitReminderEvent(_SdkLoggedEnvelope):
    """``wait.reminder``."""

    type: Literal["wait.reminder"]
    data: WaitReminder


class SdkToolProgressEvent(_SdkEnvelope):
    """``tool.progress``."""

    type: Literal["tool.progress"]
    data: ToolProgressed


class ToolCompletedEvent(_SdkLoggedEnvelope):
    """``tool.completed``."""

    type: Literal["tool.completed"]
    data: ToolCompletedData


class SdkContextCompactingEvent(_SdkLoggedEnvelope):
    """``context.compacting``."""

    type: Literal["context.compacting"]
    data: ContextCompactingData


class SdkContextCompactedEvent(_SdkLoggedEnvelope):
    """``context.compacted``."""

    type: Literal["context.compacted"]
    data: ContextCompactedData


class TurnCompletedEvent(_SdkLoggedEnvelope):
    """``turn.completed``."""

    type: Literal["turn.completed"]
    data: TurnCompletedData


class TurnFailedEvent(_SdkLoggedEnvelope):
    """``turn.failed``."""

    type: Literal["turn.failed"]
    data: TurnFailedData


class TurnCancelledEvent(_SdkLoggedEnvelope):
    """``turn.cancelled``."""

    type: Literal["turn.cancelled"]
    data: TurnCancelledData


class SessionIdledEvent(_SdkLoggedEnvelope):
    """``session.idled``."""

    type: Literal["session.idled"]
    data: SessionIdledData


AnySdkEvent = Annotated[
    InputMessageEvent
    | TurnStartedEvent
    | ReasonStartedEvent
    | StreamStartedEvent
    | StreamDeltaEvent
    | ReasonThinkingCompletedEvent
    | ReasonCompletedEvent
    | OutputMessageCompletedEvent
    | ActStartedEvent
    | ToolStartedEvent
    | ToolCallRequestedEvent
    | SdkToolApprovalEvent
    | SdkSessionForkedEvent
    | SdkWaitReminderEvent
    | SdkToolProgressEvent
    | SdkContextCompactingEvent
    | SdkContextCompactedEvent
    | ToolCompletedEvent
    | TurnCompletedEvent
    | TurnFailedEvent
    | TurnCancelledEvent
    | SessionIdledEvent,
    Field(discriminator="type"),
]


class SdkEvent(RootModel[AnySdkEvent]):
    """An event as the SDK's face streams and lists it."""


class SdkEventList(Model):
    """Events of a session, oldest first unless requested otherwise."""

    data: list[SdkEvent]
