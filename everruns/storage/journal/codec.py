"""Entries of the journal, on their way to the database: new sessions, takes and appends."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from everruns.domain.base import STORED
from everruns.domain.events import Event
from everruns.domain.sessions import Session, SessionSummary
from everruns.storage.journal.file import JournalFromOtherVersion
from everruns.storage.logs import Append


@dataclass(frozen=True)
class Taken:
    """A session that was taken.

    Attributes:
        session_id: The session.
        holder: The number of its holder since then.
    """

    session_id: str
    holder: int


Change = Session | Taken | Append
Entry = Sequence[Change]


def end(append: Append) -> int:
    """Return the length of a log after an append."""
    return append.expected - 1 + len(append.events)


def after(append: Append, length: int) -> Append:
    """Return the part of an append that a log of this length lacks; perhaps only its summary."""
    if append.expected > length:
        return append
    events = [event for event in append.events if event.sequence > length]
    return replace(append, expected=length + 1, events=events)


def joined(appends: Sequence[Append]) -> list[Append]:
    """Merge appends that follow each other in a log.

    An append that does not follow stays separate, because an earlier one may be refused alone.
    """
    together: list[Append] = []
    latest: dict[str, int] = {}
    for append in appends:
        position = latest.get(append.session_id)
        if position is not None and end(together[position]) + 1 == append.expected:
            first = together[position]
            together[position] = replace(
                append, expected=first.expected, events=[*first.events, *append.events]
            )
        else:
            latest[append.session_id] = len(together)
            together.append(append)
    return together


def encode(entry: Entry) -> bytes:
    """Return an entry as the journal keeps it.

    A session is an object, a take an array of two, an append an array of four. An append's holder
    is left out: what is in the journal was judged.
    """
    return orjson.dumps([_plain(change) for change in entry])


def _plain(change: Change) -> object:
    match change:
        case Session():
            return change.model_dump(mode="json", context=STORED)
        case Taken():
            return change.session_id, change.holder
        case Append():
            events = [
                (event.id, event.type, event.turn_id, event.ts, event.body.decode())
                for event in change.events
            ]
            summary = change.summary.model_dump(mode="json")
            return change.session_id, change.expected, summary, events


def decode(entry: bytes) -> Entry:
    """Return an entry that the journal kept.

    Raises:
        JournalFromOtherVersion: Another version of the program wrote it in another form.
    """
    try:
        return [_change(plain) for plain in orjson.loads(entry)]
    except (ValueError, TypeError) as error:
        # Pydantic's message would quote the conversation.
        raise JournalFromOtherVersion(
            f"An entry is not understood: {type(error).__name__}"
        ) from None


def _change(plain: Any) -> Change:
    if isinstance(plain, dict):
        return Session.model_validate(plain)
    return Taken(*plain) if len(plain) == 2 else _append(*plain)


def _append(
    session_id: str, expected: int, summary: dict[str, Any], events: list[tuple[Any, ...]]
) -> Append:
    return Append(
        session_id,
        expected,
        [
            Event(session_id, sequence, identity, kind, turn_id, ts, body.encode())
            for sequence, (identity, kind, turn_id, ts, body) in enumerate(events, expected)
        ],
        SessionSummary.model_validate(summary),
        holder=None,
    )
