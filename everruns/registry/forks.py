"""Forks of sessions: the store copies a log by itself, so no event passes through here.

Source: docs/contract.md, "Fork".
"""

from dataclasses import replace

from everruns.domain.forks import ForkInput, forked_event, forked_session
from everruns.domain.idempotency import Idempotency
from everruns.domain.sessions import Session
from everruns.domain.workspaces import Workspace
from everruns.errors import InvalidCursor, SessionNotFound
from everruns.ids import now_ms, read_event_id
from everruns.registry.agents import Agents
from everruns.registry.database import Database, receipt_of
from everruns.registry.fork_points import fork_sequence, summary_at
from everruns.registry.sessions import Sessions
from everruns.registry.workspaces import workspace_of
from everruns.remote import Repeat, remote
from everruns.storage.logs import FIRST_HOLDER, Append, EventQuery
from everruns.storage.sessions import Fork


class Forks:
    """Creates sessions with the history of others.

    Args:
        database: Keeps them.
        agents: The agents of sessions.
        sessions: The sessions that are forked.
    """

    def __init__(self, database: Database, agents: Agents, sessions: Sessions) -> None:
        self._database = database
        self._store = database.store
        self._agents = agents
        self._sessions = sessions

    @remote(Repeat.KEYED, timeout_s=60)
    async def create(
        self, session_id: str, wanted: ForkInput, idempotency: Idempotency | None = None
    ) -> Session:
        """Create a session with the history of another one, which stays as it is.

        The fork is there with all of its events and files, or not at all. The last of its
        transactions makes it visible.

        Args:
            session_id: The session to fork.
            wanted: Where to fork it, and how the fork differs from it.
            idempotency: Gives a retry the answer of the first attempt.

        Raises:
            SessionNotFound: There is none with this id.
            AgentNotFound: Its agent is archived, and takes no new sessions.
            Conflict: A turn is open at the event; the message says where the log can be forked.
            InvalidRequest: The log does not have the event (``InvalidCursor`` for an id), or a
                field cannot be changed like this.
            WorkspaceNotFound: It is to be shared and is archived.
            TooLarge: The fork's total size would be over the limit.
            IdempotencyKeyReused: The key was used with a different body.
        """

        async def create(identity: str, key: Idempotency | None) -> Session:
            return await self._create(identity, key, session_id, wanted)

        return await self._sessions.once(idempotency, create)

    async def _create(
        self, identity: str, key: Idempotency | None, session_id: str, wanted: ForkInput
    ) -> Session:
        source = await self._sessions.get(session_id)
        if source.agent_id is not None:
            await self._agents.get(source.agent_id)
        changed = await self._sessions.changed(source, wanted.changes())
        shared = await self._newly_shared(source) if wanted.files == "share" else None
        fork = await self._database.bulk.read(self._planned, changed, identity, wanted)
        created = fork.session.summed_up(fork.log.summary) if fork.log else fork.session
        receipt = receipt_of(key, created.model_dump_json(), identity)
        fork = replace(fork, shared=shared, receipt=receipt)
        if not await self._stored(fork):
            raise _not_found(session_id)
        return created

    async def _stored(self, fork: Fork) -> bool:
        """Store a fork; return whether its source still has the events."""
        sessions = self._store.sessions
        is_stored = False
        try:
            if await self._database.forks.write(sessions.copy_log, fork):
                # In the lane of files, so that none is changed while they are copied.
                is_stored = await self._database.files.write(sessions.fork, fork)
        finally:
            if not is_stored:
                await self._database.forks.write(sessions.clear_copy, fork.session.id)
        return is_stored

    async def _newly_shared(self, source: Session) -> Workspace | None:
        """Return a source's workspace as a shared one; ``None`` if it is shared already."""
        workspace_id = source.workspace_id
        workspace = await self._database.control.read(workspace_of, self._store, workspace_id)
        if workspace.session_id is not None:
            return workspace.model_copy(update={"session_id": None})
        await self._sessions.check_shared(workspace_id)
        return None

    def _planned(self, source: Session, identity: str, wanted: ForkInput) -> Fork:
        """Return a fork without its receipt, given its source with the wanted changes."""
        logs = self._store.logs
        head = logs.heads([source.id]).get(source.id)
        if head is None:
            raise _not_found(source.id)
        asked = _sequence_of(source.id, wanted)
        sequence = fork_sequence(logs, source.id, head.length, asked, wanted.inside_turn)
        now = now_ms()
        shares = wanted.files == "share"
        session = forked_session(source, identity, sequence, now, shares_workspace=shares)
        files_of = source.workspace_id if wanted.files == "copy" else None
        fork = Fork(source.id, sequence, session, files_of=files_of)
        if sequence == 0:
            return fork
        found = logs.read(source.id, EventQuery(after=sequence - 1, before=sequence + 1))
        if not found:
            raise _not_found(source.id)
        forked = forked_event(session, found[0], now)
        summary = summary_at(logs, source.id, sequence, forked)
        log = Append(identity, forked.sequence, [forked], summary, FIRST_HOLDER)
        return replace(fork, log=log)


def _sequence_of(session_id: str, wanted: ForkInput) -> int | None:
    """Return the sequence of the event that a fork names, if it names one."""
    if wanted.event_id is None:
        return wanted.sequence
    place = read_event_id(session_id, wanted.event_id)
    if place is None:
        raise InvalidCursor(f"event_id: {wanted.event_id} is not an event of session {session_id}")
    return place.sequence


def _not_found(session_id: str) -> SessionNotFound:
    return SessionNotFound(f"Session {session_id} not found")
