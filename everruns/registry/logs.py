"""The logs of sessions: they are appended to, loaded and read here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from everruns.domain.base import Page
from everruns.domain.events import MESSAGE_EVENTS, Event, EventType, body_bytes
from everruns.domain.logged_messages import message_of
from everruns.domain.messages import Message
from everruns.domain.retries import Ranges, disjoint, is_superseded
from everruns.domain.sessions import Session
from everruns.domain.snapshots import FORMAT, Snapshot
from everruns.errors import SessionNotFound
from everruns.registry.database import Database
from everruns.registry.group_commit import GroupCommit
from everruns.remote import Repeat, remote
from everruns.storage.logs import FIRST_HOLDER, Append, EventQuery, LogHead, Verdict
from everruns.storage.pages import is_last
from everruns.storage.sessions import StoredLog
from everruns.telemetry.meters import Meters
from everruns.telemetry.metrics import APPEND_BATCHES, APPENDS

REMEMBERED_NEW = 2048


@dataclass(frozen=True)
class Appended:
    """The answer to a batch of appends.

    Attributes:
        verdicts: One for each append.
        revision: The revision now.
        budgeted: The sessions among them with active budgets of their own.
    """

    verdicts: Sequence[Verdict]
    revision: int
    budgeted: frozenset[str] = frozenset()


@dataclass(frozen=True)
class LoadedSession:
    """What a host needs to load a session.

    Attributes:
        session: Its row.
        events: Its log; from the snapshot's event on, if there is a snapshot.
        holder: The number with which its host appends to the log.
        revision: The revision now.
        lost_with: How many open turns, this session's included, lost their host with it; 0 if the
            session comes from no host that was lost.
        is_budgeted: Whether the session itself has active budgets.
    """

    session: Session
    events: Sequence[Event]
    holder: int
    revision: int
    lost_with: int = 0
    is_budgeted: bool = False
    snapshot: Snapshot | None = None

    @property
    def size_bytes(self) -> int:
        """The size of the events and the snapshot."""
        snapshot_bytes = len(self.snapshot.content) if self.snapshot else 0
        return snapshot_bytes + body_bytes(self.events)


class Logs:
    """Takes, extends and reads the logs of sessions, for the host that holds each.

    Any process that has the store open can have its own.

    Args:
        database: Keeps the logs, and lets only their newest holder continue them.
        meters: Count appends.
    """

    def __init__(self, database: Database, meters: Meters | None = None) -> None:
        self._database = database
        self._meters = meters or Meters()
        self._store = database.store
        # Created here and not taken since: their logs are empty and need no read, and their first
        # holder's number is still to be handed out.
        self._new: dict[str, Session] = {}
        self._commits: GroupCommit[Append] = GroupCommit(self._commit)

    @remote(Repeat.YES)
    async def get(self, session_id: str) -> Session:
        """Return a session with the summary of its log.

        Raises:
            SessionNotFound: There is none with this id.
        """
        session = self._new.get(session_id)
        if session is None:
            session = await self._database.control.read(self._store.sessions.find, session_id)
        if session is None:
            raise SessionNotFound(f"Session {session_id} not found")
        return session

    @remote(Repeat.YES, timeout_s=60)
    async def messages(
        self, session_id: str, offset: int, limit: int, *, include_superseded: bool = False
    ) -> Page[Message]:
        """Return a page of a session's messages, oldest first.

        Args:
            session_id: The session.
            offset: Number of messages to skip.
            limit: Maximum number of messages.
            include_superseded: Whether to include what retries took out of the conversation,
                marked as such.

        Raises:
            SessionNotFound: There is none with this id.
        """
        superseded = await self.superseded(session_id)
        without = () if include_superseded else superseded
        query = EventQuery(types=MESSAGE_EVENTS, offset=offset, limit=limit, without=without)
        events = await self.events(session_id, query)
        if is_last(events, query) and (events or offset == 0):
            total = offset + len(events)
        else:
            total = await self._database.bulk.read(self._store.logs.count, session_id, query)
        page = [
            message.model_copy(update={"superseded": True})
            if is_superseded(message.sequence, superseded)
            else message
            for message in map(message_of, events)
        ]
        return Page.of(page, total, offset, limit)

    @remote(Repeat.YES, timeout_s=60)
    async def events(self, session_id: str, query: EventQuery) -> Sequence[Event]:
        """Return events of a session's log.

        Raises:
            SessionNotFound: There is none with this id.
        """
        events = await self._database.bulk.read(self._store.logs.read, session_id, query)
        if not events:
            await self.get(session_id)
        return events

    @remote(Repeat.YES, timeout_s=60)
    async def superseded(self, session_id: str) -> Ranges:
        """Return the sequences that retries took out of a session's conversation.

        Raises:
            SessionNotFound: There is none with this id.
        """
        starts = await self.events(session_id, EventQuery(types=(EventType.SESSION_STARTED,)))
        return disjoint(
            (first, last) for event in starts for first, last in event.data.get("superseded", ())
        )

    @remote(Repeat.YES, timeout_s=60)
    async def append(self, appends: Sequence[Append]) -> Appended:
        """Store events of several sessions, merged with those of other hosts.

        Appends to sessions that were taken since are refused with ``PlacedElsewhere``.

        Raises:
            StoreOverloaded: Too many appends are waiting.
        """
        for append in appends:
            self._new.pop(append.session_id, None)
        verdicts = await self._commits.append_all(appends)
        budgeted = frozenset(
            append.session_id
            for append in appends
            if self._store.budgets.is_budgeted(append.session_id)
        )
        return Appended(verdicts, self.revision, budgeted)

    async def _commit(self, appends: Sequence[Append]) -> Sequence[Verdict]:
        self._meters.add(APPENDS, amount=len(appends))
        self._meters.add(APPEND_BATCHES)
        return await self._database.append(appends)

    @remote(Repeat.YES, timeout_s=30)
    async def put_snapshot(self, snapshot: Snapshot) -> None:
        """Store a session's newest snapshot; nothing is stored if the session was deleted.

        Raises:
            StoreOverloaded: Too many snapshots are waiting.
        """
        await self._database.bulk.write(self._store.sessions.put_snapshot, snapshot)

    # Calls within the process that has the store open

    async def take(self, session_id: str, life: int, *, whole: bool = False) -> LoadedSession:
        """Take a session for a new holder and return it with its log.

        Args:
            session_id: The session.
            life: The life of the registry that hands the session out.
            whole: Whether the log is wanted from its start, rather than from its snapshot on.

        Raises:
            RegistryReplaced: Another registry has begun its life over the same store.
            SessionNotFound: There is none with this id.
        """
        if new := self._new.pop(session_id, None):
            return self._loaded(StoredLog(new, [], FIRST_HOLDER))
        take, format_ = self._store.sessions.take, None if whole else FORMAT
        taken = await self._database.control.read(take, session_id, life, format_)
        if taken is None:
            raise SessionNotFound(f"Session {session_id} not found")
        return self._loaded(taken)

    def _loaded(self, taken: StoredLog) -> LoadedSession:
        session = taken.session
        return LoadedSession(
            session,
            taken.events,
            taken.holder,
            self.revision,
            is_budgeted=self._store.budgets.is_budgeted(session.id),
            snapshot=taken.snapshot,
        )

    @property
    def revision(self) -> int:
        """The newest revision that this process has seen; see ``Revision``."""
        return self._store.registry.revision

    async def end(self, append: Append) -> None:
        """Append to the log of a session that was taken for no host.

        Raises:
            PlacedElsewhere: Somebody else has taken it since.
        """
        (refused,) = await self._database.append([append])
        if refused is not None:
            raise refused

    async def length(self, session_id: str) -> int:
        """Return how many events the log of a session has; mostly without a query.

        Raises:
            SessionNotFound: There is none with this id.
        """
        if self.is_new(session_id):
            return 0
        heads = await self.heads([session_id])
        if session_id not in heads:
            raise SessionNotFound(f"Session {session_id} not found")
        return heads[session_id].length

    async def heads(self, session_ids: Sequence[str]) -> Mapping[str, LogHead]:
        """Return where the log of each session stands, for those that exist."""
        return await self._database.control.read(self._store.logs.heads, session_ids)

    def is_new(self, session_id: str) -> bool:
        """Tell whether a session was created here and not taken since."""
        return session_id in self._new

    def remember_new(self, session: Session) -> None:
        """Remember a session that was created, to be handed out once without taking it."""
        if len(self._new) >= REMEMBERED_NEW:
            del self._new[next(iter(self._new))]
        self._new[session.id] = session

    def forget(self, session_id: str) -> bool:
        """Forget the row of a session that is being changed or deleted; return whether it was new.

        A new session has an empty log, so its row is all there is of it.
        """
        return self._new.pop(session_id, None) is not None
