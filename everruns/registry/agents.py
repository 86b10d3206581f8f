"""The agents that users have defined."""

import asyncio

from everruns.capabilities.base import Capabilities
from everruns.capabilities.mcp_servers import with_mcp_servers
from everruns.capabilities.registry import resolve
from everruns.domain.agents import Agent, AgentInput, AgentPatch, CapabilityConfig, check_size
from everruns.domain.base import KIB, Page
from everruns.domain.idempotency import Idempotency
from everruns.domain.mcp_choice import catalogue_name
from everruns.domain.slugs import MAX_COPIES, names_of_copies
from everruns.errors import AgentNotFound, Conflict, UnknownModel
from everruns.ids import GENERIC_HARNESS_ID, format_time, new_id, now_ms
from everruns.registry.database import Database, receipt_of
from everruns.registry.mcp_servers import McpServers
from everruns.registry.providers import Providers
from everruns.registry.revision import Revision
from everruns.remote import Repeat, remote
from everruns.storage.agents import AgentQuery

REMEMBERED_AGENTS = 1000
MAX_REMEMBERED_BYTES = 64 * KIB


class Agents:
    """Creates, changes, lists and archives agents."""

    def __init__(
        self,
        database: Database,
        providers: Providers,
        mcp_servers: McpServers,
        capabilities: Capabilities,
        revision: Revision,
    ) -> None:
        self._database = database
        self._store = database.store
        self._providers = providers
        self._mcp_servers = mcp_servers
        self._capabilities = capabilities
        self._revision = revision
        self._changes = asyncio.Lock()
        self._known: dict[str, Agent] = {}
        # The ids of remembered agents, by the names by which sessions have found them.
        self._named: dict[str, str] = {}

    @remote(Repeat.KEYED)
    async def create(
        self, wanted: AgentInput, idempotency: Idempotency | None = None, *, by_name: bool = False
    ) -> tuple[Agent, bool]:
        """Create an agent, or replace the one whose ``id`` is given.

        Args:
            wanted: The agent.
            idempotency: Gives a retry the answer of the first attempt.
            by_name: Whether an active agent of the same name is replaced.

        Returns:
            The agent and whether it is new.

        Raises:
            UnknownCapability: A capability does not exist or is not available.
            UnknownModel: No provider offers the default model.
            InvalidRequest: The default model does not take one of the controls.
            CredentialsRequired: A header of an MCP server is to be kept, and none is stored.
            TooLarge: Its total size is over the limit.
            IdempotencyKeyReused: The key was used with a different body.
        """
        key = idempotency or Idempotency.of_call()
        async with self._database.keyed(key.key):
            if answer := await self._database.earlier_answer(idempotency):
                agent = Agent.model_validate_json(answer)
                return agent, agent.created_at == agent.updated_at
            await self.check(wanted.capabilities, wanted.default_model_id)
            await self._check_controls(wanted)
            if wanted.id is None and not by_name:
                # Nothing else is about it yet, so it waits for no other agent.
                return await self._store_wanted(wanted, None, idempotency), True
            async with self._changes:
                known = await self._addressed(wanted, by_name=by_name)
                return await self._store_wanted(wanted, known, idempotency), known is None

    async def _store_wanted(
        self, wanted: AgentInput, known: Agent | None, idempotency: Idempotency | None
    ) -> Agent:
        """Store what a request describes, in place of an agent that is known by then."""
        now = format_time(now_ms())
        stored = known.mcp_servers if known else {}
        agent = Agent.model_validate(
            {
                **dict(wanted),
                "mcp_servers": self._mcp_servers.sealed(wanted.mcp_servers, stored),
                "id": known.id if known else wanted.id or new_id("agent"),
                "harness_id": GENERIC_HARNESS_ID,
                "usage": known.usage if known else None,
                "created_at": known.created_at if known else now,
                "updated_at": now,
            }
        )
        check_size(agent, agent.initial_files)
        await self._put(agent, idempotency, is_new=known is None and wanted.id is None)
        return agent

    async def _addressed(self, wanted: AgentInput, *, by_name: bool) -> Agent | None:
        if wanted.id is not None:
            return await self._database.control.read(self._store.agents.find, wanted.id)
        if by_name:
            return await self._database.control.read(self._store.agents.find_by_name, wanted.name)
        return None

    @remote(Repeat.YES)
    async def check(self, capabilities: list[CapabilityConfig], model: str | None) -> None:
        """Check the capabilities and the model that an agent or session names.

        Raises:
            UnknownCapability: A capability does not exist or is not available.
            UnknownModel: No provider offers the model.
        """
        known = self._capabilities
        if any(catalogue_name(used.ref) is not None for used in capabilities):
            known = with_mcp_servers(known, await self._mcp_servers.list())
        resolve(capabilities, known)
        if model is not None and not await self._providers.offers(model):
            raise UnknownModel.of(model)

    @remote(Repeat.YES)
    async def get(self, agent_id: str) -> Agent:
        """Return an active agent.

        Raises:
            AgentNotFound: There is none with this id, or it is archived.
        """
        agent = await self.find(agent_id)
        if agent is None or agent.status != "active":
            raise AgentNotFound(f"Agent {agent_id} not found")
        return agent

    @remote(Repeat.YES)
    async def get_by_name(self, name: str) -> Agent:
        """Return the newest active agent of this name.

        Raises:
            AgentNotFound: There is none.
        """
        if known := self._known.get(self._named.get(name, "")):
            return known
        revision = self._revision.number
        agent = await self._database.control.read(self._store.agents.find_by_name, name)
        if agent is None:
            raise AgentNotFound(f"No agent is named {name!r}")
        if revision == self._revision.number:
            self._remember(agent)
            if len(self._named) >= REMEMBERED_AGENTS:
                self._named.clear()
            self._named[name] = agent.id
        return agent

    @remote(Repeat.YES)
    async def find(self, agent_id: str) -> Agent | None:
        """Return an agent, archived or not: sessions of archived agents continue."""
        if known := self._known.get(agent_id):
            return known
        revision = self._revision.number
        agent = await self._database.control.read(self._store.agents.find, agent_id)
        if agent is not None and revision == self._revision.number:
            self._remember(agent)
        return agent

    @remote(Repeat.YES)
    async def list(self, query: AgentQuery) -> Page[Agent]:
        """Return a page of agents, of the active ones unless ids are given."""
        agents, total = await self._database.bulk.read(self._store.agents.list, query)
        return Page.of(agents, total, query.offset, query.limit)

    @remote(Repeat.YES)
    async def update(self, agent_id: str, patch: AgentPatch) -> Agent:
        """Change an agent; its running sessions pick up the change at their next turn.

        Raises:
            AgentNotFound: No active agent has this id.
            UnknownCapability: A capability does not exist or is not available.
            UnknownModel: No provider offers the default model.
            InvalidRequest: The default model does not take one of the controls.
            CredentialsRequired: A header of an MCP server is to be kept, and none is stored.
            TooLarge: Its total size would be over the limit.
        """
        changes = patch.changes()
        await self.check(changes.get("capabilities") or [], changes.get("default_model_id"))
        async with self._changes:
            before = await self.get(agent_id)
            if "mcp_servers" in changes:
                given = changes["mcp_servers"]
                changes["mcp_servers"] = self._mcp_servers.sealed(given, before.mcp_servers)
            agent = before.model_copy(update={**changes, "updated_at": format_time(now_ms())})
            if changes.keys() & {"controls", "default_model_id"}:
                await self._check_controls(agent)
            check_size(agent, agent.initial_files)
            await self._put(agent)
            return agent

    async def _check_controls(self, agent: Agent | AgentInput) -> None:
        """Check that an agent's own model takes its options.

        Without a model of its own, its sessions are checked with the model that they get.
        """
        if agent.default_model_id is not None:
            await self._providers.check_controls(agent.controls, [agent.default_model_id])

    @remote(Repeat.KEYED)
    async def copy(self, agent_id: str, idempotency: Idempotency | None = None) -> Agent:
        """Copy an agent under an unused name derived from its name.

        Args:
            agent_id: The agent to copy.
            idempotency: Gives a retry the answer of the first attempt.

        Raises:
            AgentNotFound: No active agent has this id.
            Conflict: All names for copies are taken.
            IdempotencyKeyReused: The key was used with a different body.
        """
        async with self._changes:
            if answer := await self._database.earlier_answer(idempotency):
                return Agent.model_validate_json(answer)
            original = await self.get(agent_id)
            now = format_time(now_ms())
            changes = {"name": await self._free_name(original), "usage": None}
            copy = original.model_copy(
                update={**changes, "id": new_id("agent"), "created_at": now, "updated_at": now}
            )
            await self._put(copy, idempotency)
            return copy

    async def _free_name(self, original: Agent) -> str:
        for name in names_of_copies(original.name):
            if await self._database.control.read(self._store.agents.find_by_name, name) is None:
                return name
        raise Conflict(f"{original.name} already has {MAX_COPIES} copies. Rename or delete some.")

    @remote(Repeat.KEYED)
    async def archive(self, agent_id: str, idempotency: Idempotency | None = None) -> None:
        """Archive an agent: it is no longer listed or usable, and its sessions stay.

        Args:
            agent_id: The agent to archive.
            idempotency: Gives a retry the answer of the first attempt.

        Raises:
            AgentNotFound: No active agent has this id.
        """
        async with self._changes:
            if await self._database.earlier_answer(idempotency):
                return
            agent = await self.get(agent_id)
            archived = {"status": "archived", "updated_at": format_time(now_ms())}
            await self._put(agent.model_copy(update=archived), idempotency)

    async def _put(
        self, agent: Agent, idempotency: Idempotency | None = None, *, is_new: bool = False
    ) -> None:
        receipt = receipt_of(idempotency, agent.model_dump_json(), agent.id)
        control = self._database.control
        try:
            put = control.read if is_new else control.write
            await put(self._store.agents.put, agent, receipt)
        finally:
            # Also after a failed write, because its outcome may be unknown.
            self._known.pop(agent.id, None)
            self._named.clear()
            await self._revision.advance()
        self._remember(agent)

    def _remember(self, agent: Agent) -> None:
        if len(agent.model_dump_json()) > MAX_REMEMBERED_BYTES:
            return
        if len(self._known) >= REMEMBERED_AGENTS:
            del self._known[next(iter(self._known))]
        self._known[agent.id] = agent
