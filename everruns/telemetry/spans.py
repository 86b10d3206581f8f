"""Spans: a turn's record in the words of OpenTelemetry.

A turn is an ``invoke_agent``, with its model calls, tool calls and waits below it. What a call
waits for while it runs is below the call.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from everruns.domain.trace_context import TurnTrace
from everruns.domain.usage import Usage
from everruns.telemetry import semconv
from everruns.telemetry.call_records import ModelCallRecord, ToolCallRecord, WaitRecord
from everruns.telemetry.turn_contents import TurnContents
from everruns.telemetry.turn_records import TurnRecord

AttributeValue = str | int | float | bool | Sequence[str]
SpanKind = Literal["internal", "client"]
Attributes = Mapping[str, AttributeValue | None]

# Models choose the names of the tools that they call, some also the ids of the calls, and may
# write anything there.
LONGEST_NAME = 256
UNKNOWN = "(unknown)"
_IDENTIFIER = re.compile(r"[A-Za-z0-9_.:/|=+-]{1,256}")
SLOW_MS = 30_000


@dataclass(frozen=True, slots=True)
class Span:
    """A span; times are in milliseconds since the epoch.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        parent_id: The same, of the span that it is a part of; ``None`` if there is none.
        name: Its name.
        kind: ``client`` if it is a request to another service.
        started_ms: When it began.
        ended_ms: When it ended.
        attributes: What is known of it; those without a value are not sent.
        error: Why it failed; ``None`` if it did not.
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: SpanKind
    started_ms: int
    ended_ms: int
    attributes: Attributes = field(default_factory=dict[str, AttributeValue])
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose turn it is.

    Attributes:
        agent_id: The session's agent, if it has one.
        agent_name: The agent's name now, if it is known.
        end_user: The session's end user, if it has one.
    """

    agent_id: str | None = None
    agent_name: str | None = None
    end_user: str | None = None


def is_noteworthy(record: TurnRecord) -> bool:
    """Tell whether a turn's trace is sent whatever the share: it has failed, or worked for long."""
    return record.outcome == "failed" or record.duration_ms - record.waited_ms > SLOW_MS


def spans_of(record: TurnRecord, trace: TurnTrace, owner: Owner) -> list[Span]:
    """Return the spans of a turn that has ended, its own first.

    Args:
        record: The turn.
        trace: Its place in its trace.
        owner: Whose turn it is.
    """
    return [*_Spans(record, trace, owner).all()]


class _Spans:
    def __init__(self, record: TurnRecord, trace: TurnTrace, owner: Owner) -> None:
        self._record = record
        self._trace = trace
        self._owner = owner
        self._contents = record.contents or TurnContents()
        self._common = {
            semconv.SESSION_ID: record.session_id,
            semconv.CONVERSATION_ID: record.session_id,
            semconv.TURN_ID: record.turn_id,
        }
        ended = record.advanced_ms if record.ended_ms is None else record.ended_ms
        self._turn = self._span(
            "",
            trace.parent_id,
            (record.started_ms, ended),
            *self._of_turn(),
            error=record.error_code if record.outcome == "failed" else None,
        )

    def all(self) -> Iterator[Span]:
        yield self._turn
        for place, call in enumerate(self._record.model_calls):
            yield self._model_call(call, place)
        tools: dict[str, Span] = {}
        for call in self._record.tool_calls.values():
            # One that never began is shown by its wait alone.
            if call.started_ms is not None:
                tools[call.call_id] = span = self._tool_call(call, call.started_ms)
                yield span
        for wait in self._record.waits:
            yield self._wait(wait, tools.get(wait.call_id))

    def _span(
        self,
        identity: str,
        parent_id: str | None,
        times: tuple[int, int],
        name: str,
        attributes: Attributes,
        kind: SpanKind = "internal",
        error: str | None = None,
    ) -> Span:
        return Span(
            self._trace.trace_id,
            self._trace.span_id(identity),
            parent_id,
            name,
            kind,
            *times,
            {**self._common, **attributes, semconv.ERROR_TYPE: error},
            error,
        )

    def _within(self, parent: Span, started_ms: int, ended_ms: int) -> tuple[int, int]:
        """Return times within those of a parent, which another clock may have measured."""
        started = min(max(started_ms, parent.started_ms), parent.ended_ms)
        return started, min(max(ended_ms, started), parent.ended_ms)

    def _of_turn(self) -> tuple[str, Attributes]:
        record, owner, contents = self._record, self._owner, self._contents
        models = [call.model for call in record.model_calls if call.model]
        name = (owner.agent_name or "")[:LONGEST_NAME]
        attributes: Attributes = {
            semconv.OPERATION: semconv.INVOKE_AGENT,
            semconv.AGENT_ID: owner.agent_id,
            semconv.AGENT_NAME: name or None,
            # Who the user is tells as much as what they say.
            semconv.USER_ID: owner.end_user if record.contents else None,
            semconv.REQUEST_MODEL: _model_id(models[-1]) if models else None,
            **_usage(record.usage),
            semconv.OUTCOME: record.outcome,
            semconv.ITERATIONS: record.iterations,
            semconv.TOOL_CALLS: len(record.tool_calls),
            semconv.WAITED_MS: record.waited_ms or None,
            semconv.RETRY_OF: record.retry_of,
            semconv.INPUT_MESSAGES: contents.asked,
            semconv.OUTPUT_MESSAGES: contents.answered,
        }
        return f"{semconv.INVOKE_AGENT} {name}".strip(), attributes

    def _model_call(self, call: ModelCallRecord, place: int) -> Span:
        # Older logs do not name the message of every call.
        identity = call.message_id or f"model call {place}"
        model = _model_id(call.model or "")[:LONGEST_NAME]
        said = self._contents.messages.get(identity)
        first_ms = call.first_token_ms
        attributes: Attributes = {
            semconv.OPERATION: semconv.CHAT,
            semconv.PROVIDER: semconv.PROVIDERS.get(call.provider) if call.provider else None,
            semconv.REQUEST_MODEL: model or None,
            semconv.REQUEST_STREAM: True,
            semconv.FINISH_REASONS: [call.finish_reason] if call.finish_reason else None,
            semconv.FIRST_CHUNK_S: None
            if first_ms is None
            else max(first_ms - call.started_ms, 0) / 1000,
            **_usage(call.usage),
            semconv.MESSAGE_ID: call.message_id,
            semconv.MODEL: call.model,
            semconv.ATTEMPTS: call.attempts,
            semconv.WRITES_SUMMARY: call.writes_summary or None,
            semconv.IS_ESTIMATED: call.is_estimated or None,
            semconv.INPUT_MESSAGES: said.read if said else None,
            semconv.OUTPUT_MESSAGES: said.written if said else None,
        }
        error = None if call.outcome == "completed" else call.error_code or call.outcome
        return self._span(
            identity,
            self._turn.span_id,
            self._within(self._turn, call.started_ms, call.ended_ms),
            f"{semconv.CHAT} {model}".strip(),
            attributes,
            "client",
            error,
        )

    def _tool_call(self, call: ToolCallRecord, started_ms: int) -> Span:
        name = self._identifier(call.name)
        failure = None if call.success else call.unanswered or semconv.TOOL_FAILED
        attributes: Attributes = {
            semconv.OPERATION: semconv.EXECUTE_TOOL,
            semconv.TOOL_NAME: name,
            semconv.TOOL_CALL_ID: self._identifier(call.call_id),
            semconv.TOOL_TYPE: semconv.FUNCTION,
            semconv.IS_CLIENT_SIDE: call.is_client_side or None,
            semconv.IS_RESUMED: call.is_resumed or None,
            semconv.TOOL_ARGUMENTS: self._contents.arguments.get(call.call_id),
            semconv.TOOL_RESULT: self._contents.results.get(call.call_id),
        }
        ended_ms = self._turn.ended_ms if call.ended_ms is None else call.ended_ms
        return self._span(
            call.call_id,
            self._turn.span_id,
            self._within(self._turn, started_ms, ended_ms),
            f"{semconv.EXECUTE_TOOL} {name}".strip(),
            attributes,
            error=failure,
        )

    def _identifier(self, given: str) -> str:
        """Return a name or id that a model gave; where content is not wanted, no other words."""
        is_shown = self._record.contents is not None or _IDENTIFIER.fullmatch(given)
        return given[:LONGEST_NAME] if is_shown else UNKNOWN

    def _wait(self, wait: WaitRecord, call: Span | None) -> Span:
        began_in_call = call is not None and wait.from_ms >= call.started_ms
        parent = call if call is not None and began_in_call and wait.kind != "approval" else None
        attributes: Attributes = {
            semconv.WAIT_KIND: wait.kind,
            semconv.WAIT_ENDED: wait.ended,
            semconv.TOOL_NAME: self._identifier(wait.name),
            semconv.TOOL_CALL_ID: self._identifier(wait.call_id),
        }
        above = parent or self._turn
        until_ms = above.ended_ms if wait.until_ms is None else wait.until_ms
        return self._span(
            f"{wait.kind} {wait.event_id}",
            above.span_id,
            self._within(above, wait.from_ms, until_ms),
            f"{semconv.WAIT} {wait.kind}",
            attributes,
        )


def _usage(usage: Usage) -> Attributes:
    return {
        semconv.INPUT_TOKENS: usage.input_tokens,
        semconv.OUTPUT_TOKENS: usage.output_tokens,
        semconv.CACHE_READ_TOKENS: usage.cache_read_tokens,
        semconv.CACHE_CREATION_TOKENS: usage.cache_creation_tokens,
        semconv.CACHE_WRITE_TOKENS: usage.cache_creation_tokens,
        semconv.COST_USD: usage.estimated_cost_usd,
    }


def _model_id(qualified_name: str) -> str:
    """Return a model's name as its provider knows it."""
    return qualified_name.partition("/")[2] or qualified_name
