"""The registry as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from everruns.capabilities.base import Capabilities
from everruns.capabilities.registry import list_unloadable_capabilities
from everruns.domain.agents import Agent
from everruns.domain.llm import OfferedModel, ProviderAccount, ProviderInput, ProviderPatch
from everruns.domain.mcp_servers import McpAccount
from everruns.errors import Unavailable
from everruns.mcp.oauth.client import OAuthClient
from everruns.providers.registry import points_at_vendor
from everruns.registry.agents import Agents
from everruns.registry.backups import Backups
from everruns.registry.budgets import Budgets
from everruns.registry.database import Database
from everruns.registry.demonstration import seed_demonstration
from everruns.registry.file_search import FileSearch
from everruns.registry.files import Files
from everruns.registry.forks import Forks
from everruns.registry.gauges import Gauges
from everruns.registry.history import History
from everruns.registry.hosting import Hosting
from everruns.registry.inquiries import Inquiries
from everruns.registry.keys import ApiKeys
from everruns.registry.life import Life
from everruns.registry.logs import Logs
from everruns.registry.mcp_authorizations import McpAuthorizations
from everruns.registry.mcp_headers import McpHeaders
from everruns.registry.mcp_inquiries import McpInquiries
from everruns.registry.mcp_servers import McpServers
from everruns.registry.mcp_tokens import McpTokens
from everruns.registry.mcp_vault import McpVault
from everruns.registry.overview import Overviews
from everruns.registry.placement import Placement
from everruns.registry.providers import Providers
from everruns.registry.receipts import Receipts
from everruns.registry.revision import Revision
from everruns.registry.sessions import Sessions
from everruns.registry.workspaces import Workspaces
from everruns.remote import Repeat, remote
from everruns.settings import Settings
from everruns.storage.store import Store
from everruns.telemetry.meters import Meters

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Configuration:
    """What a turn needs besides its session.

    Attributes:
        revision: The revision of agents, providers and MCP servers (see ``Revision``).
        agent: The session's agent, archived or not; ``None`` for a session without one.
        accounts: Every provider with its key.
        has_budget: Whether the agent has active budgets.
        mcp_accounts: The MCP servers of the catalogue, then those of the configuration, with their
            secrets. Of two with one name the last counts.
        agent_mcp_accounts: The MCP servers of the agent's own map, with their secrets.
    """

    revision: int
    agent: Agent | None
    accounts: list[ProviderAccount]
    has_budget: bool = False
    mcp_accounts: list[McpAccount] = field(default_factory=list[McpAccount])
    agent_mcp_accounts: list[McpAccount] = field(default_factory=list[McpAccount])

    def account_of(self, model: OfferedModel) -> ProviderAccount:
        """Return the account of a model's provider."""
        return next(item for item in self.accounts if item.provider.id == model.provider_id)


class Registry:
    """Agents, providers, MCP servers, sessions, workspaces, budgets and placement over one store.

    Attributes:
        agents: The agents.
        providers: The providers and their models.
        mcp_servers: The catalogue of MCP servers.
        mcp_authorizations: Who has authorized this deployment at them.
        sessions: The sessions.
        forks: New sessions with the history of others.
        logs: The logs of sessions.
        history: All sessions and logs, for whoever keeps a copy.
        hosting: Which host holds which session.
        workspaces: The workspaces.
        files: The files of workspaces.
        budgets: The budgets and their ledgers.
        keys: The API keys.
        backups: Copies of the data directory.
        receipts: The answers to requests with an ``Idempotency-Key``.
        life: From its start until another registry begins over the same store.
        placement: The rules and the state of ``hosting``.
        meters: Take what is measured here.
        gauges: What is measured by looking.
        overviews: What is known of all, for people.

    Args:
        store: The store; closed with the registry.
        capabilities: All known capabilities.
        placement: Where sessions are placed.
        inquiries: Asks providers for their models; without it, no proxy is used for that.
        mcp_inquiries: Asks MCP servers what they offer; without it, none can be asked.
        mcp_programs: The MCP servers that the configuration names.
        mcp_oauth: Asks authorization servers of MCP servers; without it, no person can be asked.
    """

    def __init__(
        self,
        store: Store,
        capabilities: Capabilities,
        placement: Placement,
        inquiries: Inquiries | None = None,
        mcp_inquiries: McpInquiries | None = None,
        mcp_programs: Sequence[McpAccount] = (),
        mcp_oauth: OAuthClient | None = None,
    ) -> None:
        self._inquiries = inquiries or Inquiries()
        self._database = Database(store)
        self._revision = Revision(self._database)
        self._search = FileSearch(self._database)
        self.placement = placement
        self.providers = Providers(self._database, self._revision, self._inquiries)
        oauth = mcp_oauth or OAuthClient()
        headers, vault = McpHeaders(store.cipher), McpVault(self._database)
        tokens = McpTokens(vault, headers, oauth)
        self.mcp_servers = McpServers(
            self._database,
            self._revision,
            headers,
            tokens,
            mcp_inquiries or McpInquiries(),
            mcp_programs,
        )
        self.mcp_authorizations = McpAuthorizations(
            self.mcp_servers, vault, tokens, self._revision, oauth
        )
        self.agents = Agents(
            self._database, self.providers, self.mcp_servers, capabilities, self._revision
        )
        self.life = Life(self._database)
        self.meters = Meters()
        self.logs = Logs(self._database, self.meters)
        self.history = History(self._database)
        self.hosting = Hosting(self._database, self.logs, placement, self.life, self.meters)
        self.sessions = Sessions(
            self._database,
            self.providers,
            self.mcp_servers,
            self.agents,
            self.logs,
            self.hosting,
        )
        self.forks = Forks(self._database, self.agents, self.sessions)
        self.workspaces = Workspaces(self._database)
        self.files = Files(self._database, self._search)
        self.budgets = Budgets(self._database, self._revision)
        self.keys = ApiKeys(self._database)
        self.backups = Backups(self._database)
        self.receipts = Receipts(self._database)
        self.overviews = Overviews(self._database, placement)
        self.gauges = Gauges(self._database, placement, self.budgets, self.meters)

    async def seed(self, settings: Settings, *, has_local_model: bool) -> None:
        """Add the providers of a fresh installation.

        The local model is the default if installed, otherwise the simulated one. A vendor whose
        key is in the environment is added and, if new, becomes the default. The key is not given
        to a provider that merely has the vendor's name.

        Raises:
            SecretsUnreadable: Headers of MCP servers were encrypted with another key.
        """
        await self.mcp_servers.accounts()
        known = {provider.name: provider for provider in await self.providers.list()}
        if not known:
            await self.providers.add(ProviderInput(name="simulated", provider_type="simulated"))
            if has_local_model:
                await self.providers.add(
                    ProviderInput(name="local", provider_type="local", is_default=True)
                )
        keys = {"openai": settings.openai_api_key, "anthropic": settings.anthropic_api_key}
        for name, key in keys.items():
            if key is None:
                continue
            if provider := known.get(name):
                if provider.provider_type == name and points_at_vendor(provider):
                    await self.providers.update(provider.id, ProviderPatch(api_key=key))
                else:
                    log.warning(
                        "vendor key not used: the provider of this name is asked elsewhere",
                        provider=name,
                        provider_id=provider.id,
                    )
            else:
                await self.providers.add(
                    ProviderInput.model_validate(
                        {"name": name, "provider_type": name, "api_key": key, "is_default": True}
                    )
                )

    async def seed_demonstration(self) -> None:
        """Add the agent that shows what agents do to an installation that has none, once."""
        await seed_demonstration(self.agents, self.providers)

    @remote(Repeat.YES)
    async def configuration(self, agent_id: str | None) -> Configuration:
        """Return what turns of an agent's sessions need; only for session hosts."""
        revision = self._revision.number
        agent = await self.agents.find(agent_id) if agent_id else None
        if agent is not None and agent.initial_files:
            # Sessions got the files when they were created; hosts cache many agents without them.
            agent = agent.model_copy(update={"initial_files": []})
        has_budget = self._database.store.budgets.is_budgeted(agent_id)
        return Configuration(
            revision,
            agent,
            await self.providers.accounts(),
            has_budget,
            await self.mcp_servers.accounts(),
            await self.mcp_servers.opened(agent.mcp_servers) if agent else [],
        )

    @remote(Repeat.YES)
    async def ready(self) -> None:
        """Check that the store answers and a host can hold sessions.

        Raises:
            StoreUnavailable: The store does not answer.
            Unavailable: No session host is up yet.
        """
        if not self.placement.hosts:
            raise Unavailable("No session actor is up yet. Try again shortly.", None, 1.0)
        await self._database.control.read(self._database.store.ping)

    @remote(Repeat.YES)
    async def list_unloadable_capabilities(self) -> tuple[str, ...]:
        """Return the installed capabilities that could not be loaded, each with the reason."""
        return list_unloadable_capabilities()

    @remote(Repeat.NO, timeout_s=60)
    async def close(self) -> None:
        """Make everything durable and close the store."""
        self._search.close()
        await self._inquiries.close()
        await self._database.close()
