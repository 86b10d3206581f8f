"""Entries of the journal: appends, and what becomes of them on their way to the database."""

from collections.abc import Sequence
from dataclasses import replace

import orjson

from everruns.domain.events import Event
from everruns.domain.sessions import SessionSummary
from everruns.storage.base import Append


def end(append: Append) -> int:
    """Return how long a log is after an append."""
    return append.expected - 1 + len(append.events)


def after(append: Append, length: int) -> Append:
    """Return what a log of this length lacks of an append; perhaps only its summary."""
    if append.expected > length:
        return append
    events = [event for event in append.events if event.sequence > length]
    return replace(append, expected=length + 1, events=events)


def joined(appends: Sequence[Append]) -> list[Append]:
    """Make one append of those that follow each other in a log."""
    logs: dict[str, Append] = {}
    for append in appends:
        first = logs.get(append.session_id)
        logs[append.session_id] = (
            append
            if first is None
            else replace(append, expected=first.expected, events=[*first.events, *append.events])
        )
    return list(logs.values())


def encode(appends: Sequence[Append]) -> bytes:
    """Return appends as an entry of the journal."""
    return orjson.dumps(
        [
            (
                append.session_id,
                append.expected,
                append.summary.model_dump(mode="json"),
                [
                    (event.id, event.type, event.turn_id, event.ts, event.body.decode())
                    for event in append.events
                ],
            )
            for append in appends
        ]
    )


def decode(entry: bytes) -> list[Append]:
    """Return the appends of an entry."""
    return [
        Append(
            session_id,
            expected,
            [
                Event(session_id, sequence, identity, kind, turn_id, ts, body.encode())
                for sequence, (identity, kind, turn_id, ts, body) in enumerate(events, expected)
            ],
            SessionSummary.model_validate(summary),
        )
        for session_id, expected, summary, events in orjson.loads(entry)
    ]
