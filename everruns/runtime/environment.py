"""The environment of turns: agents, providers and tools as a host knows them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from everruns.capabilities.base import Capabilities
from everruns.capabilities.preparing import PREPARE_TIMEOUT_S, prepare_all
from everruns.domain.agents import Agent
from everruns.domain.budgets import UNPRICED
from everruns.domain.controls import Controls
from everruns.domain.llm import OfferedModel, ProviderAccount
from everruns.domain.prepared import find_changes
from everruns.domain.state import SessionState
from everruns.domain.suspensions import answers_for_tool
from everruns.domain.tools import ToolCall
from everruns.domain.trace_context import TurnTrace
from everruns.domain.turns import OpenTurn
from everruns.errors import InvalidRequest, SessionTooLarge
from everruns.providers.base import Driver
from everruns.providers.catalogue import has_price
from everruns.providers.connections import Connections
from everruns.providers.local import LocalModel, with_address
from everruns.providers.proxies import Proxies
from everruns.providers.registry import open_driver
from everruns.registry.registry import Configuration, Registry
from everruns.runtime.asking import Asking
from everruns.runtime.context import TurnContext, check_wanted, turn_context
from everruns.runtime.files import SessionFiles
from everruns.runtime.history import CompactedHistory
from everruns.runtime.progress import ProgressReport
from everruns.runtime.servers import Servers
from everruns.runtime.session import LiveSession
from everruns.settings import Settings
from everruns.tools.base import CallingAgent, Resumption, SessionContext, ToolContext
from everruns.turn_failures import BudgetExhausted, BudgetPaused, BudgetUnpriced

REMEMBERED_AGENTS = 1000


@dataclass(frozen=True)
class OpenedDriver:
    """A driver and the accounts it was opened with.

    Attributes:
        configured: The provider as stored in the registry.
        account: The same, with the current address of a local model.
        driver: Speaks for the account.
    """

    configured: ProviderAccount
    account: ProviderAccount
    driver: Driver


class Environment:
    """The environment that all turns of a host share.

    Agents, providers and MCP servers are cached until the registry's revision changes, which every
    answer to an append carries.

    Args:
        registry: The registry, or its proxy on another node.
        capabilities: All known capabilities.
        settings: The deployment's settings.
        local_model: Starts the local model if necessary and returns its base URL; ``None`` if there
            is no local model.

    Attributes:
        asking: Lets running calls ask.
    """

    def __init__(
        self,
        registry: Registry,
        capabilities: Capabilities,
        settings: Settings,
        local_model: LocalModel | None,
    ) -> None:
        self._registry = registry
        self._capabilities = capabilities
        self._settings = settings
        self._local_model = local_model
        self._connections = Connections(
            Proxies(settings.model_proxy, settings.model_proxy_exceptions)
        )
        self._revision = 0
        self._configurations: dict[str | None, Configuration] = {}
        # Sessions on this host with budgets of their own, by the registry's latest answers.
        self._budgeted: set[str] = set()
        self._drivers: dict[str, OpenedDriver] = {}
        self._servers = Servers(registry, settings.tool_timeout_s)
        self.asking = Asking()

    @property
    def model_call_timeout_s(self) -> float:
        """Seconds that a model's answer may take, retries included."""
        return self._settings.model_call_timeout_s

    @property
    def max_queued_messages(self) -> int:
        """How many messages may wait for a session's turn to read them."""
        return self._settings.max_queued_messages

    def heed(self, revision: int) -> None:
        """Record the registry's revision."""
        if revision > self._revision:
            self._revision = revision
            # Outdated entries may hold keys that were removed.
            self._configurations.clear()
            self._servers.forget()

    def heed_budgets(self, session_ids: Collection[str], budgeted: Collection[str]) -> None:
        """Record which of these sessions have budgets of their own."""
        self._budgeted.difference_update(session_ids)
        self._budgeted.update(budgeted)

    def check_size(self, state: SessionState) -> None:
        """Refuse to let a session grow beyond its size limit.

        Raises:
            SessionTooLarge: The session has reached the limit.
        """
        if state.size_bytes >= self._settings.max_session_bytes:
            raise SessionTooLarge(
                f"The session has {state.size_bytes} bytes of events, and max_session_bytes allows "
                f"{self._settings.max_session_bytes}. Continue in a new session."
            )

    async def check_budgets(self, session: LiveSession, model: OfferedModel) -> None:
        """Check that the budgets of a session and its agent allow the next model call.

        The registry is asked only if there are any.

        Raises:
            BudgetExhausted: A budget is exhausted.
            BudgetPaused: A budget is paused.
            BudgetUnpriced: A budget is in dollars, and the model's price is unknown.
        """
        configuration = await self._configuration(session.resource.agent_id)
        if not configuration.has_budget and session.id not in self._budgeted:
            return
        check = await self._registry.budgets.check_session(session.id, has_price=has_price(model))
        if check.error_code == UNPRICED:
            raise BudgetUnpriced(check.message or "The model's price is unknown.")
        if check.action == "stop":
            raise BudgetExhausted(check.message or "A budget is exhausted.")
        if check.action == "pause":
            raise BudgetPaused(check.message or "A budget is paused.")

    async def context(self, session: LiveSession) -> TurnContext:
        """Return the context of a session's next step.

        Raises:
            NoModel: No offered model is named, and there is no default.
            InvalidRequest: The model does not take one of the controls.
        """
        configuration = await self._configuration(session.resource.agent_id)
        await session.complete(self._registry.logs.events)
        servers = await self._servers.capabilities(session.resource, configuration)
        return turn_context(
            session.resource,
            session.state,
            configuration,
            self._capabilities,
            servers,
            self._settings,
        )

    async def check_wanted(self, session: LiveSession, wanted: Controls) -> None:
        """Check that a session's next turn could answer with these controls of a message.

        Raises:
            UnknownModel: No active provider offers the model that they name.
            InvalidRequest: The model does not take one of the controls.
        """
        agent_id = session.resource.agent_id
        try:
            check_wanted(session.resource, await self._configuration(agent_id), wanted)
        except InvalidRequest:
            # The client may have changed its agent or a provider since this host last asked.
            self._configurations.pop(agent_id, None)
            check_wanted(session.resource, await self._configuration(agent_id), wanted)

    async def driver(self, account: ProviderAccount) -> Driver:
        """Return the driver of a provider, reopened if the provider has changed.

        Raises:
            InvalidRequest: The provider's settings are invalid.
            ProviderUnavailable: The local model does not start.
        """
        configured, account = account, await with_address(account, self._local_model)
        opened = self._drivers.get(account.provider.id)
        if opened is None or opened.account != account:
            driver = open_driver(
                account, self._connections, silence_s=self._settings.model_timeout_s
            )
            opened = self._drivers[account.provider.id] = OpenedDriver(configured, account, driver)
        return opened.driver

    def traceparent(self, turn: OpenTurn, identity: str) -> str | None:
        """Return what a request says that is made for a turn within one of its spans.

        Args:
            turn: The turn.
            identity: The id of what the span shows.

        Returns:
            The trace context; ``None`` if nothing is to be said, since there are no traces.
        """
        if self._settings.trace_endpoint is None and turn.traceparent is None:
            return None
        trace = TurnTrace.of(turn.id, turn.traceparent, self._settings.trace_sample)
        return trace.traceparent(identity)

    def files(self, session: LiveSession) -> SessionFiles:
        """Return a session's files."""
        return SessionFiles(self._registry.files, session.resource.workspace_id)

    async def prepare(self, session: LiveSession, context: TurnContext) -> dict[str, Any] | None:
        """Prepare the capabilities of the session's turn.

        Returns:
            The data of the event that says what has changed; ``None`` if nothing has.
        """
        known = session.state.prepared
        surroundings = self.session_context(session, context.agent)
        found = await prepare_all(context.to_prepare, known, surroundings, PREPARE_TIMEOUT_S)
        return find_changes(known, found)

    def session_context(self, session: LiveSession, agent: Agent | None) -> SessionContext:
        """Return what capabilities know about a session and its agent."""
        return SessionContext(**self._surroundings(session, agent))

    def tool_context(
        self, session: LiveSession, agent: Agent | None, call: ToolCall, *, is_repeated: bool
    ) -> ToolContext:
        """Return the context of a call of the session's open turn.

        Args:
            session: The session.
            agent: Its agent.
            call: The call.
            is_repeated: Whether an earlier run of it was lost with its process.
        """
        turn = session.state.turn
        suspended = turn.suspended.get(call.id) if turn else None
        return ToolContext(
            **self._surroundings(session, agent),
            config={},
            call_id=call.id,
            is_repeated=is_repeated,
            report_progress=ProgressReport(session, call).update,
            resumption=Resumption(suspended.state, answers_for_tool(suspended))
            if suspended
            else None,
            history=CompactedHistory.of(self._registry.logs, session.state),
            traceparent=self.traceparent(turn, call.id) if turn else None,
        )

    def _surroundings(self, session: LiveSession, agent: Agent | None) -> dict[str, Any]:
        """Return the fields of a ``SessionContext``."""
        resource, turn = session.resource, session.state.turn
        return {
            "session_id": session.id,
            "files": self.files(session),
            "turn_id": turn.id if turn else "",
            "end_user": resource.end_user,
            "agent": CallingAgent(agent.id, agent.name) if agent else None,
            "title": resource.title,
            "tags": resource.tags,
            "metadata": resource.metadata,
            "allow_private_addresses": self._settings.allow_private_addresses,
        }

    async def _configuration(self, agent_id: str | None) -> Configuration:
        known = self._configurations.get(agent_id)
        if known is None or known.revision < self._revision:
            known = await self._registry.configuration(agent_id)
            self.heed(known.revision)
            self._close_drivers(known.accounts)
            if len(self._configurations) >= REMEMBERED_AGENTS:
                self._configurations.clear()
            self._configurations[agent_id] = known
        return known

    def _close_drivers(self, accounts: Sequence[ProviderAccount]) -> None:
        """Drop the drivers of providers that were removed or changed, and with them their keys."""
        current = {account.provider.id: account for account in accounts}
        self._drivers = {
            provider_id: opened
            for provider_id, opened in self._drivers.items()
            if current.get(provider_id) == opened.configured
        }

    async def close(self) -> None:
        """Close the connections to providers and to MCP servers."""
        await self._servers.close()
        await self._connections.close()
