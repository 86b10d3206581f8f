"""What a store promises about sessions."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from everruns.domain.events import Event, TurnOutcome
from everruns.domain.rights import Grant
from everruns.domain.sessions import OPEN_STATUSES, Caller, Session, SessionStatus
from everruns.domain.snapshots import Snapshot
from everruns.domain.waits import WaitType
from everruns.domain.workspaces import Workspace
from everruns.storage.files import StoredFile
from everruns.storage.logs import Append
from everruns.storage.pages import ListQuery
from everruns.storage.receipts import Receipt


@dataclass(frozen=True)
class SessionQuery(ListQuery):
    """A query for a page of the list of sessions; all conditions must hold.

    Times are in milliseconds since the epoch.

    Attributes:
        search: Only sessions whose id, title or beginning contains this text, ignoring case.
        agent_id: Only sessions of this agent.
        caller: Only sessions of this caller.
        within: Only sessions that this grant covers.
        older_than: Only sessions that a list shows after the one with this time of creation and
            this id.
        status: Only sessions with this status.
        waiting: Only sessions whose turn waits for somebody outside: for calls of this type, or
            for any with ``True``.
        last_outcome: Only sessions whose last turn ended so, and that have no open one.
        tags: Only sessions with all of these tags.
        end_user: Only sessions of this end user.
        created_from_ms: Only sessions created at or after this time.
        created_until_ms: Only sessions created before this time.
        updated_from_ms: Only sessions updated at or after this time.
        updated_until_ms: Only sessions updated before this time.
        sort: What to sort by: the time of creation or of the last update.
        ascending: Whether the oldest come first.
    """

    search: str | None = None
    agent_id: str | None = None
    caller: Caller | None = None
    within: Grant | None = None
    older_than: tuple[int, str] | None = None
    status: SessionStatus | None = None
    waiting: WaitType | Literal[True] | None = None
    last_outcome: TurnOutcome | None = None
    tags: Collection[str] = ()
    end_user: str | None = None
    created_from_ms: int | None = None
    created_until_ms: int | None = None
    updated_from_ms: int | None = None
    updated_until_ms: int | None = None
    sort: Literal["created", "updated"] = "created"
    ascending: bool = False


@dataclass(frozen=True)
class SessionsInState:
    """Sessions whose turns are in the same state.

    Attributes:
        status: Their status.
        waits: What their open turns wait for: types of calls, or ``sleeps``.
        sessions: How many there are.
        updated_ms: When the one that is unchanged for longest was updated, in milliseconds since
            the epoch.
    """

    status: str
    waits: Collection[str]
    sessions: int
    updated_ms: int | None


@dataclass(frozen=True)
class SessionCounts:
    """How many sessions there are, and what they do.

    Attributes:
        stored: All sessions.
        open: Those with an open turn.
        waiting: Of these, those that wait, by what they wait for.
        quiet_since_ms: Of the turns that wait for nobody, when the one that is quiet for longest
            stored something, in milliseconds since the epoch; ``None`` if there are none.
    """

    stored: int
    open: int
    waiting: Mapping[str, int]
    quiet_since_ms: int | None

    @classmethod
    def of(cls, in_states: Iterable[SessionsInState]) -> "SessionCounts":
        """Return the counts of sessions in several states."""
        states = list(in_states)
        is_open = [state for state in states if state.status in OPEN_STATUSES]
        waiting = Counter[str]()
        for state in is_open:
            waiting.update(dict.fromkeys(state.waits, state.sessions))
        working = [state for state in is_open if state.status == "active" and not state.waits]
        return cls(
            stored=sum(state.sessions for state in states),
            open=sum(state.sessions for state in is_open),
            waiting=waiting,
            quiet_since_ms=min(
                (state.updated_ms for state in working if state.updated_ms is not None),
                default=None,
            ),
        )


@dataclass(frozen=True)
class AgentSessions:
    """How many sessions an agent has.

    Attributes:
        stored: All of them.
        open: Those with an open turn.
    """

    stored: int
    open: int


@dataclass(frozen=True)
class StoredLog:
    """A session with its log.

    Attributes:
        session: The session, with its log's summary applied.
        events: The log, from the snapshot's event on if there is a snapshot.
        holder: The number of the session's holder.
        snapshot: The session's newest snapshot.
    """

    session: Session
    events: Sequence[Event]
    holder: int
    snapshot: Snapshot | None = None


@dataclass(frozen=True)
class NewSession:
    """A session to store with what it begins with. Its id was never used before.

    Attributes:
        session: The session.
        files: The first files of its workspace.
        receipt: Remembers the answer.
        log: Its first events.
    """

    session: Session
    files: Sequence[StoredFile] = ()
    receipt: Receipt | None = None
    log: Append | None = None

    @property
    def is_bare(self) -> bool:
        """Whether there is nothing to store but its row."""
        return not (self.files or self.receipt or self.log)


@dataclass(frozen=True)
class Fork:
    """A new session that begins with events of another one.

    Attributes:
        source_id: The session that is forked.
        sequence: The last event of its log that is copied; 0 for none.
        session: The new session. Its id was never used before.
        log: What follows the copied events, if any are copied.
        files_of: The workspace whose files are copied into that of the new session, if any.
        shared: The source's own workspace, if the new session works on it too: it then outlives
            both.
        receipt: Remembers the answer.
    """

    source_id: str
    sequence: int
    session: Session
    log: Append | None = None
    files_of: str | None = None
    shared: Workspace | None = None
    receipt: Receipt | None = None


class SessionStore(Protocol):
    """Keeps sessions; ``LogStore`` keeps their logs."""

    def insert(
        self,
        session: Session,
        files: Sequence[StoredFile] = (),
        receipt: Receipt | None = None,
        log: Append | None = None,
    ) -> None:
        """Store a new session with its first files and events; see ``insert_many``."""
        ...

    def insert_many(self, new: Sequence[NewSession]) -> None:
        """Store new sessions, each with its first files and events and all or nothing.

        The number of their holder is ``FIRST_HOLDER``, for the caller to hand out once. A session
        that is there already stays as it is.
        """
        ...

    def copy_log(self, fork: Fork) -> bool:
        """Copy most of a long log for a fork that will be stored, so that ``fork`` takes not long.

        It is several transactions, and others write between them. Nobody sees the copy. If the fork
        is not stored, ``clear_copy`` deletes it, or else the next registry that begins its life.
        Repeated, it goes on where it stood.

        Returns:
            Whether the source has these events.

        Raises:
            RegistryReplaced: Another registry has begun its life and deleted the copy.
        """
        ...

    def clear_copy(self, session_id: str) -> None:
        """Delete what was copied for a fork that is not stored; if it is, nothing happens."""
        ...

    def fork(self, fork: Fork) -> bool:
        """Store a new session with a copy of another one's events, and of its files if wanted.

        What ``copy_log`` has copied is not copied again.

        Nothing of the source changes but who owns its workspace, if that is shared from now on. Its
        newest snapshot is copied too, if that is of an event which is copied.

        Returns:
            Whether the source has these events. If not, it was deleted, and nothing was stored.
        """
        ...

    def find(self, session_id: str) -> Session | None:
        """Return a session with its log's summary applied."""
        ...

    def take(
        self, session_id: str, life: int, snapshot_format: int | None = None
    ) -> StoredLog | None:
        """Take a session for a new holder; return it with its log, or ``None`` if it is gone.

        The number of its holder is raised, durably: it is never handed out again. The log has every
        append that was stored before, and later ones of earlier holders are refused.

        Args:
            session_id: The session.
            life: The life of the registry that hands the session out; see ``RegistryStore``.
            snapshot_format: If the session has a snapshot of this format, it is returned with the
                log from its event on; otherwise the whole log is.

        Raises:
            RegistryReplaced: Another registry has begun its life since.
        """
        ...

    def put_snapshot(self, snapshot: Snapshot) -> bool:
        """Store a session's snapshot, replacing an earlier one; return whether it exists."""
        ...

    def update(self, session: Session) -> bool:
        """Store the changed fields of a session; return whether it exists.

        What follows from its log stays as it is.
        """
        ...

    def delete(self, session_id: str) -> bool:
        """Delete a session and all its data; return whether it existed.

        This includes its own budgets and the files of its workspace, unless the workspace is
        shared. What it was charged to other budgets stays charged.
        """
        ...

    def unfinished(self, now_ms: int | None = None) -> list[str]:
        """Return the ids of sessions whose turn is open, oldest first.

        Args:
            now_ms: Leave out turns that wait for outside input until after this time.
        """
        ...

    def count(self) -> SessionCounts:
        """Return how many sessions there are, and what they do."""
        ...

    def count_by_agent(
        self, agent_ids: Collection[str], within: Grant | None = None
    ) -> Mapping[str, AgentSessions]:
        """Return how many sessions each of these agents has, for those that have some.

        Args:
            agent_ids: The agents.
            within: Only sessions that this grant covers.
        """
        ...

    def list(self, query: SessionQuery) -> tuple[list[Session], int]:
        """Return a page of sessions and how many match in all."""
        ...
