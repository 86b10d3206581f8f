"""What the events of turns come to in metrics."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from everruns.domain.events import TURN_OUTCOMES, EventType
from everruns.domain.sessions import Session
from everruns.ids import made_ms
from everruns.telemetry.labels import SUCCESS, error_label, model_codes, tool_label
from everruns.telemetry.meters import Meters
from everruns.telemetry.metrics import (
    COMPACTIONS,
    COST,
    MODEL_CALL_DURATION,
    MODEL_CALLS,
    MODEL_FIRST_TOKEN,
    MODEL_RETRIES,
    TOKENS,
    TOOL_CALLS,
    TOOL_DURATION,
    TURN_DURATION,
    TURNS,
    TURNS_STARTED,
)
from everruns.telemetry.observing import Observed

UNKNOWN = "unknown"
NO_CODE = ""

_TOKEN_FIELDS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_tokens",
    "cache_creation": "cache_creation_tokens",
}


class TurnMeters:
    """Measures turns by their events; implements ``Observer``.

    It keeps nothing of a turn, so it does not matter on which host one has begun.

    Args:
        meters: Take what is measured.
    """

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self._measures: Mapping[str, Callable[[Observed], None]] = {
            EventType.SESSION_STARTED: self._started,
            EventType.MESSAGE_CREATED: self._said,
            EventType.CONTEXT_COMPACTED: self._compacted,
            EventType.TOOL_RESULT: self._returned,
            EventType.SESSION_COMPLETED: self._ended,
            EventType.SESSION_FAILED: self._ended,
            EventType.SESSION_CANCELLED: self._ended,
        }

    def appended(self, session: Session, observed: Sequence[Observed]) -> None:  # noqa: ARG002 - the protocol's
        """Measure events; see ``Observer``."""
        for one in observed:
            if measure := self._measures.get(one.event.type):
                measure(one)

    def _started(self, _observed: Observed) -> None:
        self._meters.add(TURNS_STARTED)

    def _said(self, observed: Observed) -> None:
        if call := observed.model_call:
            self._called(call, SUCCESS)

    def _compacted(self, observed: Observed) -> None:
        error = observed.data.get("error")
        outcome = error_label(error["code"]) if error else SUCCESS
        self._meters.add(COMPACTIONS, outcome)
        if call := observed.model_call:
            self._called(call, outcome)

    def _ended(self, observed: Observed) -> None:
        event, data = observed.event, observed.data
        outcome = TURN_OUTCOMES[event.type]
        code = error_label(data["error"]["code"]) if "error" in data else NO_CODE
        self._meters.add(TURNS, outcome, code)
        if event.turn_id is not None:
            begun_ms = made_ms(event.turn_id)
            self._meters.observe(TURN_DURATION, max(event.ts - begun_ms, 0) / 1000, outcome)
        is_failed_call = code in model_codes()
        if (call := observed.model_call) or is_failed_call:
            self._called(call or {}, code if is_failed_call else "interrupted")

    def _called(self, call: dict[str, Any], outcome: str) -> None:
        """Measure a model call.

        Args:
            call: The event's part with ``model``, ``usage`` and ``timing``, as far as there are.
            outcome: How it ended.
        """
        meters, model = self._meters, call.get("model") or UNKNOWN
        timing: dict[str, Any] = call.get("timing") or {}
        provider = timing.get("provider", UNKNOWN)
        meters.add(MODEL_CALLS, model, provider, outcome)
        usage: dict[str, Any] = call.get("usage") or {}
        for kind, field in _TOKEN_FIELDS.items():
            if tokens := usage.get(field):
                meters.add(TOKENS, model, kind, amount=tokens)
        if cost := usage.get("estimated_cost_usd"):
            meters.add(COST, model, amount=cost)
        if not timing:
            return
        if retries := timing["attempts"] - 1:
            meters.add(MODEL_RETRIES, model, provider, amount=retries)
        begun_ms = timing["started_ms"]
        meters.observe(MODEL_CALL_DURATION, _seconds(begun_ms, timing["ended_ms"]), model)
        if (first_ms := timing.get("first_token_ms")) is not None:
            meters.observe(MODEL_FIRST_TOKEN, _seconds(begun_ms, first_ms), model)

    def _returned(self, observed: Observed) -> None:
        data = observed.data
        tool = tool_label(data["name"])
        outcome = SUCCESS if data["success"] else "error"
        self._meters.add(TOOL_CALLS, tool, "unanswered" if data.get("unanswered") else outcome)
        self._meters.observe(TOOL_DURATION, data["duration_ms"] / 1000, tool)


def _seconds(from_ms: int, to_ms: int) -> float:
    # The clock of a machine can be set back.
    return max(to_ms - from_ms, 0) / 1000
