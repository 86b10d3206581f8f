"""What the archive has, compared with what the store has."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from everruns.storage.history import SessionHead, Totals, bucket_of


@dataclass(frozen=True)
class Known:
    """What the archive has of a session.

    Attributes:
        length: How many events of its log.
        created_ms: When it was created, in milliseconds since the epoch.
        updated_ms: When it was last updated, as far as the archive knows.
    """

    length: int
    created_ms: int
    updated_ms: int

    @classmethod
    def of(cls, head: SessionHead) -> "Known":
        """Return what the archive has of a session when it has all of it."""
        return cls(head.length, head.created_ms, head.updated_ms)


def totals_of(known: Iterable[Known | SessionHead]) -> Totals:
    """Return what sessions add up to."""
    sessions = events = created_ms = 0
    for one in known:
        sessions += 1
        events += one.length
        created_ms += one.created_ms
    return Totals(sessions, events, created_ms)


def totals_with(
    totals: Totals, known: Mapping[str, Known], newer: Mapping[str, Known | SessionHead]
) -> Totals:
    """Return the totals of what is known, with newer states of some sessions.

    Args:
        totals: The totals of what is known.
        known: What is known.
        newer: Newer states, also of sessions that are not known.
    """
    replaced = totals_of(known[one] for one in newer if one in known)
    return totals + totals_of(newer.values()) - replaced


def bucket_totals(
    known: Mapping[str, Known], heads: Mapping[str, SessionHead]
) -> dict[str, Totals]:
    """Return the totals of each bucket, of what is known with newer heads in its place."""
    buckets: dict[str, list[Known | SessionHead]] = {}
    for session_id, one in {**known, **heads}.items():
        buckets.setdefault(bucket_of(session_id), []).append(one)
    return {bucket: totals_of(found) for bucket, found in buckets.items()}


def differing(own: Mapping[str, Totals], other: Mapping[str, Totals]) -> list[str]:
    """Return the buckets whose totals differ."""
    buckets = own.keys() | other.keys()
    return sorted(bucket for bucket in buckets if own.get(bucket) != other.get(bucket))
