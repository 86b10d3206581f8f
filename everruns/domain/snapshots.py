"""Snapshots: a session's state after one of its events.

A session is loaded from its newest snapshot and the events after it. The log stays the truth: a
snapshot that is missing, of another format or unusable is ignored, and the whole log is folded.

A snapshot leaves out the messages before the newest turn, which are most of a long session. Nothing
that happens later changes them, and they are needed only when a model is asked; they are read from
the log then (``SessionState.earlier``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from pydantic import TypeAdapter

from everruns.domain.base import MIB
from everruns.domain.compaction import Compaction
from everruns.domain.events import Event
from everruns.domain.messages import Message
from everruns.domain.state import SessionState
from everruns.ids import copied_id

FORMAT = 7
"""The format of snapshots: raise it when ``SessionState`` or its fold changes."""

# Folding this many events takes a few milliseconds.
DUE_EVENTS = 256
DUE_BYTES = MIB
# A long session's snapshots hold the keys of all its sends, so they are written less often.
SIZE_PER_BYTE_SINCE = 4

_ENCODING = TypeAdapter(tuple[str, SessionState])


class SnapshotUnusable(ValueError):
    """A snapshot cannot be used; the whole log can."""


@dataclass(frozen=True)
class Snapshot:
    """A session's state after an event.

    Attributes:
        session_id: The session.
        sequence: The event.
        format: The format of the content.
        content: The state as JSON, with the digest of the event.
    """

    session_id: str
    sequence: int
    format: int
    content: bytes


def is_due(events: int, size_bytes: int, written_bytes: int) -> bool:
    """Tell whether a session should get a new snapshot.

    Args:
        events: How many events there are after its newest snapshot.
        size_bytes: The size of these events.
        written_bytes: The size of that snapshot; 0 if there is none.
    """
    is_long = events >= DUE_EVENTS or size_bytes >= DUE_BYTES
    return is_long and size_bytes * SIZE_PER_BYTE_SINCE >= written_bytes


def snapshot_of(state: SessionState, last: Event) -> Snapshot:
    """Return the snapshot of a state.

    Args:
        state: The state.
        last: The event that was applied last.
    """
    first = state.last_turn.from_sequence if state.last_turn else 0
    # The history is in the order in which models have read it, so what is kept is its end.
    kept = next(
        (place for place, said in enumerate(state.history) if said.sequence >= first),
        len(state.history),
    )
    earlier = [*state.earlier, *(said.sequence for said in state.history[:kept])]
    trimmed = replace(state, earlier=earlier, history=state.history[kept:])
    content = _ENCODING.dump_json((_digest(last), trimmed))
    return Snapshot(state.session_id, state.sequence, FORMAT, content)


def resume(snapshot: Snapshot, events: Sequence[Event]) -> SessionState:
    """Return the state after the events that follow a snapshot.

    Args:
        snapshot: The snapshot.
        events: The log from the snapshot's event on.

    Raises:
        SnapshotUnusable: Its format is another one, it does not decode, or it is not a snapshot of
            this log, because the log was restored from an older copy.
        ValueError: An event is not the next one.
    """
    if snapshot.format != FORMAT or not events:
        raise SnapshotUnusable(f"format {snapshot.format}, {len(events)} events")
    try:
        digest, state = _ENCODING.validate_json(snapshot.content)
    except ValueError as error:
        raise SnapshotUnusable(type(error).__name__) from None
    if (state.sequence, digest) != (events[0].sequence, _digest(events[0])):
        raise SnapshotUnusable(f"not of event {events[0].sequence} of this log")
    state.apply_all(events[1:])
    return state


def copied(snapshot: Snapshot, event: Event, session_id: str) -> Snapshot | None:
    """Return a snapshot as it is for the log of a fork.

    Args:
        snapshot: A snapshot of the log that is copied.
        event: The event of the snapshot, in that log.
        session_id: The fork.

    Returns:
        The snapshot; ``None`` if it cannot be used, so that the whole log is folded.
    """
    try:
        state = resume(snapshot, [event])
    except SnapshotUnusable:
        return None
    moved = replace(
        state,
        session_id=session_id,
        history=[_copied(message, session_id) for message in state.history],
        unread=[_copied(message, session_id) for message in state.unread],
        compaction=_compaction_copied(state.compaction, session_id),
        compaction_before_turn=_compaction_copied(state.compaction_before_turn, session_id),
    )
    content = _ENCODING.dump_json((_digest(event.copied(session_id)), moved))
    return replace(snapshot, session_id=session_id, content=content)


def _copied(message: Message, session_id: str) -> Message:
    changes = {"session_id": session_id}
    if message.role == "tool_result":
        changes["id"] = copied_id(message.id, session_id)
    return message.model_copy(update=changes)


def _compaction_copied(compaction: Compaction | None, session_id: str) -> Compaction | None:
    if compaction is None:
        return None
    return compaction.model_copy(update={"id": copied_id(compaction.id, session_id)})


def _digest(event: Event) -> str:
    return sha256(event.body).hexdigest()
