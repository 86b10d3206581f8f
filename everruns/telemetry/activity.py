"""What the turns of a session host come to, in totals since it started."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from everruns.domain.cluster import Activity
from everruns.domain.events import EventType
from everruns.domain.sessions import Session
from everruns.telemetry.observing import Observed

_COUNTED: Mapping[str, str] = {
    EventType.SESSION_STARTED: "turns_started",
    EventType.SESSION_COMPLETED: "turns_completed",
    EventType.SESSION_FAILED: "turns_failed",
    EventType.SESSION_CANCELLED: "turns_cancelled",
    EventType.TOOL_RESULT: "tool_calls",
}


class Totals:
    """Counts what is stored; implements ``Observer``."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    @property
    def activity(self) -> Activity:
        """The totals up to now."""
        return Activity(**self._counts)

    def appended(self, session: Session, observed: Sequence[Observed]) -> None:  # noqa: ARG002 - the protocol's
        """Count events; see ``Observer``."""
        for one in observed:
            if name := _COUNTED.get(one.event.type):
                self._counts[name] += 1
            if call := one.model_call:
                self._count_call(call.get("usage") or {})

    def _count_call(self, usage: Mapping[str, Any]) -> None:
        self._counts["model_calls"] += 1
        for name in ("input_tokens", "output_tokens"):
            self._counts[name] += usage.get(name) or 0
