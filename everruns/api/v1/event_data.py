"""The payload of each type of event, for the OpenAPI document.

Source: docs/contract.md, "Events".
"""

from typing import Any, Literal

from pydantic import Field

from everruns.domain.approvals import Decider
from everruns.domain.base import Model
from everruns.domain.compaction import CompactionReason, CompactionStrategy
from everruns.domain.controls import Controls
from everruns.domain.messages import Message
from everruns.domain.parts import ResultPart
from everruns.domain.prepared import Prepared
from everruns.domain.timing import Timing
from everruns.domain.tools import ToolCall
from everruns.domain.usage import Usage
from everruns.domain.waits import OnTimeout, Unanswered, WaitType


class SessionForked(Model):
    """The session is a fork: the events before this one are copied from another session."""

    forked_from_session_id: str
    forked_from_sequence: int = Field(description="The last event that was copied.")


class TurnStarted(Model):
    """A turn began."""

    turn_id: str
    input_message_id: str
    retry_of: str | None = Field(None, description="The turn that is retried.")
    superseded: list[tuple[int, int]] | None = Field(
        None, description="Sequences that leave the conversation, as pairs of first and last."
    )
    controls: Controls | None = None


class CapabilitiesPrepared(Model):
    """What capabilities offer changed when they were prepared for the turn."""

    offered: dict[str, Prepared] | None = Field(
        None, description="What capabilities offer from now on, by their ids."
    )
    prompts: dict[str, str | None] | None = Field(
        None, description="The prompts of capabilities that still offer the same tools."
    )
    notes: dict[str, list[str]] | None = Field(
        None, description="What the model is told of capabilities that still offer the same tools."
    )
    dropped: list[str] | None = Field(None, description="Capabilities that offer nothing more.")


class MessageCreated(Model):
    """A message was stored."""

    message: Message
    usage: Usage | None = None
    model: str | None = None
    finish_reason: str | None = None
    timing: Timing | None = None


class Stretch(Model):
    """A piece of a message being written; ``text = text[:offset] + delta`` rebuilds the message."""

    message_id: str = Field(description="The id that the finished message will have.")
    offset: int = Field(description="Code points of the message before this piece.")
    delta: str


class ToolCalled(Model):
    """A tool call starts; if ``client_side``, the client is asked to run it."""

    tool_call: ToolCall
    message_id: str
    client_side: bool | None = None
    resumed: bool | None = Field(None, description="Whether the call goes on after a suspension.")
    timeout_ms: int | None = Field(
        None, description="Milliseconds that the client may take; absent if there is no limit."
    )
    on_timeout: OnTimeout | None = None
    remind_after_ms: int | None = None


class ToolSuspended(Model):
    """A tool call is suspended until the user has answered, or some time has passed."""

    tool_call_id: str
    name: str
    state: Any = Field(None, description="What the tool gets back when the call goes on.")
    resume_after_seconds: float | None = Field(
        None, description="When the call goes on, if the user is not asked."
    )
    repeatable: bool | None = Field(
        None, description="Whether the run with which it goes on can safely run twice."
    )


class ToolResumed(Model):
    """A suspended call may go on."""

    tool_call_id: str
    name: str
    answers: dict[str, Any] | None = Field(None, description="The user's answers, if it asked.")


class ToolQuestionClosed(Model):
    """What a call asked while it runs was answered, or cannot be answered any more."""

    tool_call_id: str
    name: str
    answers: dict[str, Any] | None = Field(None, description="The user's answers.")
    unanswered: Unanswered | None = Field(None, description="Why there are none.")


class ToolApproval(Model):
    """A tool call is held until somebody allows it, or somebody has decided."""

    tool_call_id: str
    name: str
    status: Literal["requested", "allowed", "rejected"]
    tool_call: ToolCall | None = None
    message_id: str | None = None
    timeout_ms: int | None = Field(
        None, description="Milliseconds that the decision may take; absent if there is no limit."
    )
    on_timeout: OnTimeout | None = None
    remind_after_ms: int | None = None
    decided_by: Decider | None = Field(
        None, description="Who is to decide if it is requested, otherwise who has decided."
    )
    reason: str | None = Field(None, description="The decider's reason, in their words.")
    always: bool | None = Field(
        None, description="Whether the decision applies to later calls of the tool too."
    )


class ToolProgressed(Model):
    """How far a running tool is; transient."""

    tool_call_id: str
    tool_name: str
    message: str = Field(description="In the tool's words; replaces what it said before.")


class ToolAnswered(Model):
    """A tool's result: ``result``, ``parts`` or ``error``."""

    tool_call_id: str
    name: str
    success: bool
    result: Any = None
    parts: list[ResultPart] | None = Field(
        None, description="The result if it is more than one JSON value."
    )
    error: str | None = None
    duration_ms: int
    unanswered: Unanswered | None = Field(
        None, description="Why a call that waited for somebody outside was not answered."
    )


class WaitReminder(Model):
    """A call has waited for a while, or is overdue and keeps waiting."""

    tool_call_id: str
    name: str
    type: WaitType
    since: str
    expires_at: str | None = None
    overdue: bool = Field(description="Whether its time is over.")


class Failure(Model):
    """Why a turn failed."""

    message: str
    code: str


class ContextCompacting(Model):
    """The conversation has become too long for the model, and is about to be compacted."""

    reason: CompactionReason = Field(
        description="The estimated tokens have reached the share of the context that is allowed, "
        "or the provider has refused the request as too long."
    )
    strategy: CompactionStrategy = Field(description="What is tried first.")
    up_to_sequence: int = Field(
        description="The messages up to this one are replaced; 0 if none are."
    )
    masked_up_to_sequence: int = Field(
        description="The tool results up to this one are shown as short notes."
    )
    kept_sequences: list[int] = Field(
        description="User messages before the cut that the model is shown all the same."
    )
    messages_before: int = Field(description="Messages that the model was shown.")
    tokens_before: int = Field(description="Their known or estimated tokens.")


class ContextCompacted(ContextCompacting):
    """The conversation that the model is shown was made shorter; the log stays as it is."""

    strategy: CompactionStrategy = Field(
        description="`observation_masking`: old tool results became notes; `summarization`: a "
        "summary replaces the messages; `trim`: the messages are left out."
    )
    messages_after: int
    tokens_after: int
    summary: str | None = None
    restated: str | None = Field(
        None, description="What still holds, whatever the summary says: task list, decisions."
    )
    model: str | None = Field(None, description="The model that was asked for the summary.")
    message_id: str | None = Field(None, description="The id of that model call.")
    usage: Usage | None = None
    timing: Timing | None = None
    error: Failure | None = Field(None, description="Why there is no summary, if it failed.")
    duration_ms: int


class TurnCompleted(Model):
    """A turn completed."""

    turn_id: str
    iterations: int
    duration_ms: int
    usage: Usage
    final_message_id: str | None = None


class Unfinished(Model):
    """A model call that was interrupted or has failed."""

    message_id: str | None = Field(
        None, description="The message that it was to write; older events do not name it."
    )
    model: str
    usage: Usage | None = Field(
        None, description="Its known or estimated tokens, if the model had started to answer."
    )
    timing: Timing | None = None


class TurnFailed(Model):
    """A turn failed; the session accepts messages as before."""

    turn_id: str
    error: Failure
    unfinished: Unfinished | None = None


class TurnCancelled(Model):
    """A turn was cancelled."""

    turn_id: str
    reason: str | None = None
    unfinished: Unfinished | None = None
