"""What a turn's model calls, tool calls and waits were, in records; see ``turn_records``."""

from dataclasses import dataclass, field
from typing import Literal

from everruns.domain.usage import Usage

ModelCallOutcome = Literal["completed", "failed", "cancelled"]
WaitKind = Literal["approval", "question", "client_tool", "sleep"]


@dataclass(slots=True)
class ModelCallRecord:
    """A model call, with its retries; times are in milliseconds since the epoch.

    Attributes:
        message_id: The message that it wrote or would have written; older logs do not name it
            where there is none.
        model: The model's qualified name.
        provider: The type of its provider; ``None`` in older logs.
        started_ms: When the model was asked first.
        first_token_ms: When its first text or reasoning came, if that is known.
        ended_ms: When the answer was complete or broke off.
        attempts: How often the provider was asked; ``None`` in older logs.
        outcome: How it ended.
        error_code: Why it failed.
        finish_reason: Why the model stopped writing, in its provider's words.
        usage: What it cost.
        writes_summary: Whether it was asked for the summary of a compaction.
        is_estimated: Whether the times are estimated from its events, as in older logs.
    """

    message_id: str | None
    model: str | None
    provider: str | None
    started_ms: int
    first_token_ms: int | None
    ended_ms: int
    attempts: int | None
    outcome: ModelCallOutcome
    error_code: str | None = None
    finish_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    writes_summary: bool = False
    is_estimated: bool = False


@dataclass(slots=True)
class ToolCallRecord:
    """A tool call; times are in milliseconds since the epoch.

    Attributes:
        call_id: The call.
        name: Its tool.
        message_id: The answer in which the model made it.
        asked_ms: When that answer was stored.
        started_ms: When it was started, or its client was asked to run it; ``None`` if it never
            was, because somebody else decided so or the turn ended.
        ended_ms: When its result was stored; ``None`` while there is none.
        duration_ms: How long its last run took, or how long it waited for its client.
        success: Whether it succeeded; ``None`` while there is no result.
        unanswered: Why it waited for somebody outside in vain, if it did.
        is_resumed: Whether it went on after it had been suspended.
        is_client_side: Whether its client runs it.
    """

    call_id: str
    name: str
    message_id: str
    asked_ms: int
    started_ms: int | None = None
    ended_ms: int | None = None
    duration_ms: int | None = None
    success: bool | None = None
    unanswered: str | None = None
    is_resumed: bool = False
    is_client_side: bool = False


@dataclass(slots=True)
class WaitRecord:
    """A time during which a call waited; times are in milliseconds since the epoch.

    Attributes:
        kind: For what: a decision, answers, the result of a client-side tool, or time to pass.
        call_id: The call.
        name: The call's tool.
        from_ms: Since when.
        until_ms: Until when; ``None`` while it waits.
        ended: How it ended: ``allowed``, ``rejected``, ``answered``, ``elapsed``, or why nobody
            answered, as ``unanswered`` of events.
        event_id: The event with which it began.
    """

    kind: WaitKind
    call_id: str
    name: str
    from_ms: int
    event_id: str
    until_ms: int | None = None
    ended: str | None = None
