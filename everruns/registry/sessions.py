"""The sessions as resources; their logs are in ``logs``, where they are held in ``hosting``."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from everruns.domain.agents import Agent, InitialFile, check_size
from everruns.domain.base import Page
from everruns.domain.controls import effective_controls
from everruns.domain.idempotency import Idempotency
from everruns.domain.imports import imported_log
from everruns.domain.messages import Message
from everruns.domain.rights import Grant
from everruns.domain.sessions import Caller, Session, SessionInput, SessionPatch
from everruns.domain.workspaces import own_workspace_id
from everruns.errors import SessionNotFound, WorkspaceNotFound
from everruns.ids import (
    DEFAULT_ORGANIZATION_ID,
    GENERIC_HARNESS_ID,
    format_time,
    new_id,
    now_ms,
    parse_time,
)
from everruns.registry.agents import MAX_REMEMBERED_BYTES, Agents
from everruns.registry.database import Database, receipt_of
from everruns.registry.group_commit import GroupCommit
from everruns.registry.hosting import Hosting
from everruns.registry.logs import Logs
from everruns.registry.mcp_servers import McpServers
from everruns.registry.providers import Providers
from everruns.registry.workspace_files import initial_files
from everruns.remote import Repeat, remote
from everruns.storage.logs import FIRST_HOLDER, Append, Verdict
from everruns.storage.receipts import Receipt
from everruns.storage.sessions import AgentSessions, NewSession, SessionQuery


class Sessions:
    """Creates, changes, lists and deletes sessions.

    Args:
        database: Keeps them.
        providers: Offer the models that sessions name.
        mcp_servers: Encrypt the headers of the MCP servers that sessions bring along.
        agents: The agents of sessions.
        logs: The logs of sessions.
        hosting: Which host holds which session.
    """

    def __init__(
        self,
        database: Database,
        providers: Providers,
        mcp_servers: McpServers,
        agents: Agents,
        logs: Logs,
        hosting: Hosting,
    ) -> None:
        self._database = database
        self._store = database.store
        self._providers = providers
        self._mcp_servers = mcp_servers
        self._agents = agents
        self._logs = logs
        self._hosting = hosting
        self._changes = asyncio.Lock()
        self._creations: GroupCommit[NewSession] = GroupCommit(self._store_new, "sessions")

    @remote(Repeat.KEYED, timeout_s=30)
    async def create(
        self,
        wanted: SessionInput,
        idempotency: Idempotency | None = None,
        *,
        caller: Caller | None = None,
        conversation: Sequence[Message] = (),
    ) -> Session:
        """Create a session; until the first message it costs only its row.

        Args:
            wanted: The session.
            idempotency: Gives a retry the answer of the first attempt.
            caller: Who creates it through a channel.
            conversation: Messages that it begins with, checked.

        Raises:
            AgentNotFound: The named agent does not exist or is archived.
            WorkspaceNotFound: The workspace does not exist, is archived, or belongs to another
                session.
            UnknownCapability: A capability does not exist or is not available.
            UnknownModel: No provider offers the model.
            InvalidRequest: Its model does not take one of the controls.
            CredentialsRequired: A header of an MCP server is to be kept, and none is stored.
            TooLarge: Its total size is over the limit.
            IdempotencyKeyReused: The key was used with a different body.
        """

        async def create(identity: str, key: Idempotency | None) -> Session:
            return await self._create(identity, key, wanted, caller, conversation)

        return await self.once(idempotency, create)

    async def once(
        self,
        idempotency: Idempotency | None,
        create: Callable[[str, Idempotency | None], Awaitable[Session]],
    ) -> Session:
        """Return the session that a call creates, or that an earlier attempt has created.

        Args:
            idempotency: Tells a retry.
            create: Creates it, given its id and what to remember the answer by, if anything.

        Raises:
            IdempotencyKeyReused: The key was used with a different body.
        """
        if idempotency is None or idempotency.is_of_call:
            # Without a client's key, the id tells whether the session already exists.
            identity = (idempotency or Idempotency.of_call()).new_id("session")
            if idempotency is not None and idempotency.is_repeated:
                there = await self._database.control.read(self._store.sessions.find, identity)
                if there is not None:
                    return there
            return await create(identity, None)
        async with self._database.keyed(idempotency.key):
            if answer := await self._database.earlier_answer(idempotency):
                return Session.model_validate_json(answer)
            return await create(new_id("session"), idempotency)

    async def _create(
        self,
        identity: str,
        idempotency: Idempotency | None,
        wanted: SessionInput,
        caller: Caller | None,
        conversation: Sequence[Message],
    ) -> Session:
        agent = None
        if wanted.agent_id is not None:
            agent = await self._agents.get(wanted.agent_id)
        elif wanted.agent_name is not None:
            agent = await self._agents.get_by_name(wanted.agent_name)
        await self._agents.check(wanted.capabilities, wanted.model_id)
        await self._check_controls(wanted, agent)
        if wanted.workspace_id is not None:
            await self.check_shared(wanted.workspace_id)
        now = format_time(now_ms())
        session = Session.model_validate(
            {
                **dict(wanted),
                "mcp_servers": self._mcp_servers.sealed(wanted.mcp_servers, {}),
                "agent_id": agent.id if agent else None,
                "id": identity,
                "harness_id": GENERIC_HARNESS_ID,
                "organization_id": DEFAULT_ORGANIZATION_ID,
                "workspace_id": wanted.workspace_id or own_workspace_id(identity),
                "end_user": caller.end_user if caller else wanted.end_user,
                "created_at": now,
                "updated_at": now,
            }
        )
        check_size(session, wanted.initial_files)
        files = [*(agent.initial_files if agent else []), *wanted.initial_files]
        log = await _log_of(session, conversation) if conversation else None
        created = session.summed_up(log.summary) if log else session
        document = created.model_dump_json()
        receipt = receipt_of(idempotency, document, session.id)
        is_small = log is None and len(document) <= MAX_REMEMBERED_BYTES
        if files:
            # In the lane of files, so that nothing else changes those of a shared workspace.
            await self._database.files.write(self._insert_with_files, session, files, receipt, log)
        elif is_small:
            await self._creations.append(NewSession(session, receipt=receipt))
        else:
            insert = self._store.sessions.insert
            await self._database.control.write(insert, session, (), receipt, log)
        if is_small:
            self._logs.remember_new(session)
        return created

    async def _store_new(self, new: Sequence[NewSession]) -> list[Verdict]:
        await self._database.control.write(self._store.sessions.insert_many, new)
        return [None] * len(new)

    async def _check_controls(self, session: SessionInput | Session, agent: Agent | None) -> None:
        await self._providers.check_controls(
            effective_controls(session.controls, agent.controls if agent else None),
            [session.model_id, agent.default_model_id if agent else None],
        )

    async def check_shared(self, workspace_id: str) -> None:
        """Check that a new session can use a shared workspace.

        Raises:
            WorkspaceNotFound: It does not exist, is archived, or belongs to another session.
        """
        workspace = await self._database.control.read(self._store.workspaces.find, workspace_id)
        if workspace is None or workspace.status != "active":
            raise WorkspaceNotFound(
                f"Workspace {workspace_id} cannot be shared. Use an active workspace that was "
                "created with POST /workspaces."
            )

    def _insert_with_files(
        self,
        session: Session,
        files: Sequence[InitialFile],
        receipt: Receipt | None,
        log: Append | None,
    ) -> None:
        there = self._store.files.list(session.workspace_id, "/")
        first = initial_files(session.workspace_id, files, there)
        self._store.sessions.insert(session, first, receipt, log)

    @remote(Repeat.YES)
    async def update(self, session_id: str, patch: SessionPatch) -> Session:
        """Change a session; a host that holds it must be told (``SessionHost.refresh``).

        Raises:
            SessionNotFound: There is none with this id.
            UnknownCapability: A capability does not exist or is not available.
            UnknownModel: No provider offers the model.
            InvalidRequest: The model does not take one of the controls.
            CredentialsRequired: A header of an MCP server is to be kept, and none is stored.
            TooLarge: Its total size would be over the limit.
        """
        async with self._changes:
            session = await self.get(session_id)
            updated_at = max(format_time(now_ms()), session.updated_at)
            changed = await self.changed(session, {**patch.changes(), "updated_at": updated_at})
            is_new = self._logs.forget(session_id)
            if not await self._database.control.write(self._store.sessions.update, changed):
                raise SessionNotFound(f"Session {session_id} not found")
            if is_new:
                self._logs.remember_new(changed)
            return changed

    async def changed(self, session: Session, changes: Mapping[str, Any]) -> Session:
        """Return a session with other values of some fields, which are checked.

        Raises:
            UnknownCapability: A capability does not exist or is not available.
            UnknownModel: No provider offers the model.
            InvalidRequest: The model does not take one of the controls.
            CredentialsRequired: A header of an MCP server is to be kept, and none is stored.
            TooLarge: Its total size would be over the limit.
        """
        if "mcp_servers" in changes:
            sealed = self._mcp_servers.sealed(changes["mcp_servers"], session.mcp_servers)
            changes = {**changes, "mcp_servers": sealed}
        await self._agents.check(changes.get("capabilities") or [], changes.get("model_id"))
        changed = session.model_copy(update=changes)
        if changes.keys() & {"controls", "model_id"}:
            agent_id = session.agent_id
            agent = await self._agents.find(agent_id) if agent_id else None
            await self._check_controls(changed, agent)
        check_size(changed, [])
        return changed

    @remote(Repeat.YES)
    async def get(self, session_id: str) -> Session:
        """Return a session.

        Raises:
            SessionNotFound: There is none with this id.
        """
        return await self._logs.get(session_id)

    @remote(Repeat.YES, timeout_s=30)
    async def list(self, query: SessionQuery) -> Page[Session]:
        """Return a page of sessions; sessions of an archived agent stay readable."""
        sessions, total = await self._database.bulk.read(self._store.sessions.list, query)
        return Page.of(sessions, total, query.offset, query.limit)

    @remote(Repeat.YES, timeout_s=30)
    async def count_by_agent(
        self, agent_ids: Sequence[str], within: Grant | None
    ) -> Mapping[str, AgentSessions]:
        """Return how many sessions each of these agents has, for those that have some."""
        count = self._store.sessions.count_by_agent
        return await self._database.bulk.read(count, agent_ids, within)

    @remote(Repeat.KEYED)
    async def delete(self, session_id: str, idempotency: Idempotency | None = None) -> None:
        """Delete a session with its events and files.

        Args:
            session_id: The session to delete.
            idempotency: Gives a retry the answer of the first attempt.

        Raises:
            SessionNotFound: There is none with this id.
        """
        self._logs.forget(session_id)
        deleted = await self._database.files.write(self._store.sessions.delete, session_id)
        # Only now: while it is stored, another host would go on with its turn.
        self._hosting.forget(session_id)
        if not deleted and not (idempotency and idempotency.is_repeated):
            raise SessionNotFound(f"Session {session_id} not found")


async def _log_of(session: Session, conversation: Sequence[Message]) -> Append:
    """Return what an imported conversation appends to its session; a long one takes a while."""
    created_ms = parse_time(session.created_at)
    events, state = await asyncio.to_thread(imported_log, session.id, conversation, created_ms)
    return Append(session.id, 1, events, state.summary, FIRST_HOLDER)
