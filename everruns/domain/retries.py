"""Retries: a turn that is started again with the same input.

A retry is one event, ``session.started`` with ``retry_of`` and the ranges of sequences that it
supersedes: the answers and tool results of the turn before it. They stay in the log and leave the
conversation; the user's messages between them are read again.

Source: docs/contract.md, "Retry".
"""

from collections.abc import Iterable, Sequence
from typing import Any

from everruns.domain.base import Model
from everruns.domain.controls import Controls, GivenControls
from everruns.ids import format_time

Ranges = Sequence[tuple[int, int]]
"""Sequences that leave the conversation, as pairs of the first and the last."""


class RetryInput(Model):
    """Retries a session's last turn.

    Attributes:
        controls: Options for its answers; each counts instead of that of the user's message.
    """

    controls: GivenControls | None = None


class RetriedTurn(Model):
    """The turn that a retry started."""

    turn_id: str
    retry_of: str
    input_message_id: str
    sequence: int
    started_at: str

    @classmethod
    def of(cls, data: dict[str, Any], sequence: int, ts: int) -> "RetriedTurn":
        """Return the turn of a ``session.started``.

        Args:
            data: The event's data.
            sequence: The event's sequence.
            ts: The event's time in milliseconds since the epoch.
        """
        return cls(**data, sequence=sequence, started_at=format_time(ts))


def effective_retry(wanted: Controls | None, of_message: Controls | None) -> Controls | None:
    """Return the options of a retried turn: those given, then those of the user's message."""
    if wanted is None or of_message is None:
        return wanted or of_message
    given = {name: value for name, value in wanted if value is not None}
    return of_message.model_copy(update=given)


def superseded_ranges(first: int, last: int, kept: Iterable[int]) -> list[tuple[int, int]]:
    """Return the ranges of a turn's events without its user messages.

    Args:
        first: The first event of the turn.
        last: The last event.
        kept: The sequences of its user messages.
    """
    ranges: list[tuple[int, int]] = []
    start = first
    for sequence in [*sorted(kept), last + 1]:
        if start < sequence:
            ranges.append((start, sequence - 1))
        start = sequence + 1
    return ranges


def disjoint(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Merge ranges that overlap or touch: a retry of a retry supersedes the same again."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    return merged


def is_superseded(sequence: int, ranges: Ranges) -> bool:
    """Tell whether an event is in one of the ranges."""
    return any(first <= sequence <= last for first, last in ranges)
