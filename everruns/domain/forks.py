"""Forks: new sessions that begin with the history of another one.

The log of a fork begins with a copy of the events of its source, each at its sequence, and one
``session.forked``, after which usage, permissions and keys start afresh. A fork of nothing, at
sequence 0, has an empty log.

Source: docs/contract.md, "Fork".
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from everruns.domain.base import Number
from everruns.domain.events import Event, EventType, NewEvent
from everruns.domain.forms import id_form
from everruns.domain.sessions import Session, SessionPatch, SessionSummary
from everruns.domain.workspaces import own_workspace_id
from everruns.ids import MAX_SEQUENCE, copied_id, event_mark, format_time

ForkedFiles = Literal["copy", "share", "none"]
InsideTurn = Literal["refuse", "before", "after"]


class ForkInput(SessionPatch):
    """Forks a session; the fields of a session that are given change it in the fork.

    Attributes:
        sequence: The last event of the source's log that the fork begins with.
        event_id: The same event by its id.
        inside_turn: What happens if a turn is open at that event: the fork is refused, or begins
            before that turn or after it.
        files: Whether the fork gets a copy of the files in the source's workspace, the same
            workspace, or an empty one.
    """

    sequence: Annotated[int, Field(ge=0, le=MAX_SEQUENCE), Number] | None = Field(
        None,
        description="The last event that the fork begins with; 0 for none. Without it and without "
        "event_id, the fork begins with everything up to the end of the last turn.",
    )
    event_id: str | None = Field(
        None, pattern=id_form("event"), description="The last event, by its id."
    )
    inside_turn: InsideTurn = Field(
        "refuse",
        description="What to do if a turn is open at that event: refuse, or fork before or after "
        "that turn.",
    )
    files: ForkedFiles = Field(
        "copy",
        description="What the fork gets of the workspace's files, as they are now: a copy, the "
        "same workspace, or none.",
    )

    @model_validator(mode="after")
    def _one_place(self) -> "ForkInput":
        if self.sequence is not None and self.event_id is not None:
            raise ValueError("give either sequence or event_id")
        return self

    def changes(self) -> dict[str, Any]:
        """Return the given fields of the session as values."""
        return {name: value for name, value in super().changes().items() if name not in FORK_FIELDS}


FORK_FIELDS = ForkInput.model_fields.keys() - SessionPatch.model_fields.keys()
"""The fields that say how to fork; the others change the session in the fork."""


def forked_session(
    source: Session,
    identity: str,
    sequence: int,
    now_ms: int,
    *,
    shares_workspace: bool,
) -> Session:
    """Return a fork as it is before its log.

    Args:
        source: The session that is forked, with the fields in which the fork differs.
        identity: The id of the fork.
        sequence: The last event that the fork begins with.
        now_ms: Milliseconds since the epoch.
        shares_workspace: Whether it works on the files of its source.
    """
    now = format_time(now_ms)
    workspace_id = source.workspace_id if shares_workspace else own_workspace_id(identity)
    own = {
        "id": identity,
        "workspace_id": workspace_id,
        "created_at": now,
        "updated_at": now,
        "forked_from_session_id": source.id,
        "forked_from_sequence": sequence,
        "suspicion": 0,
    }
    return source.summed_up(SessionSummary()).model_copy(update=own)


def forked_event(fork: Session, last: Event, now_ms: int) -> Event:
    """Return the event with which a fork's own part of the log begins.

    Args:
        fork: The fork.
        last: The last event that it begins with.
        now_ms: Milliseconds since the epoch.
    """
    data = {
        "forked_from_session_id": fork.forked_from_session_id,
        "forked_from_sequence": fork.forked_from_sequence,
    }
    # Ids of events sort by time, and clocks may go back.
    ts = max(now_ms, last.ts)
    return NewEvent(EventType.SESSION_FORKED, data, {}).at(fork.id, last.sequence + 1, ts)


def renamed(
    by_message: dict[str, str | None], source_id: str, session_id: str
) -> dict[str, str | None]:
    """Return what is known of a source's messages by the ids that they have in its fork.

    Only results of tools have others than in the source; see ``ids.copied_id``.

    Args:
        by_message: What is known, by the message's id in the source.
        source_id: The source.
        session_id: The fork.
    """
    mark = event_mark(source_id)
    return {
        copied_id(identity, session_id) if identity.endswith(mark) else identity: known
        for identity, known in by_message.items()
    }
