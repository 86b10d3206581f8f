"""The MCP servers of turns: which a session uses, as capabilities."""

from collections.abc import Sequence
from typing import Any

from everruns.capabilities.base import Capabilities
from everruns.capabilities.mcp_servers import server_capability
from everruns.domain.agents import CapabilityConfig
from everruns.domain.mcp_choice import catalogue_name, chosen_accounts
from everruns.domain.mcp_servers import McpAccount
from everruns.domain.prepared import Prepared, PreparedTool
from everruns.domain.sessions import Session
from everruns.mcp.capability import mcp_capability
from everruns.mcp.connections import Connections
from everruns.mcp.limits import limits_for
from everruns.registry.registry import Configuration, Registry
from everruns.tools.base import SessionContext, ToolContext, ToolError

REMEMBERED_SESSIONS = 1_000


class Servers:
    """The MCP servers that the turns of a host use.

    Args:
        registry: The registry, or its proxy on another node; it keeps the secrets.
        silence_s: Seconds that a call may go without a sign of progress.
    """

    def __init__(self, registry: Registry, silence_s: float) -> None:
        self._registry = registry
        self._connections = Connections(
            limits_for(silence_s), authorizations=registry.mcp_authorizations
        )
        # The registry is asked again only when a session's map has changed.
        self._opened: dict[str, tuple[Any, list[McpAccount]]] = {}

    async def capabilities(self, session: Session, configuration: Configuration) -> Capabilities:
        """Return the servers that a session's turns use as capabilities, by their ids.

        Raises:
            SecretsUnreadable: Headers were encrypted with another key.
        """
        agent = configuration.agent
        used = [*(agent.capabilities if agent else []), *session.capabilities]
        inline = [*await self._own(session), *configuration.agent_mcp_accounts]
        if not inline and not any(catalogue_name(one.ref) for one in used):
            return {}
        accounts = chosen_accounts(inline, used, configuration.mcp_accounts)
        found = [
            mcp_capability(account, self._connections, self._registry.mcp_authorizations)
            for account in accounts.values()
        ]
        return {**_missing(used), **{capability.id: capability for capability in found}}

    def forget(self) -> None:
        """Forget secrets that may have been removed."""
        self._opened.clear()
        self._connections.forget_access()

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()

    async def _own(self, session: Session) -> list[McpAccount]:
        if not session.mcp_servers:
            return []
        known = self._opened.get(session.id)
        if known is None or known[0] != session.mcp_servers:
            opened = await self._registry.mcp_servers.opened(session.mcp_servers)
            if len(self._opened) >= REMEMBERED_SESSIONS:
                self._opened.clear()
            known = self._opened[session.id] = (session.mcp_servers, opened)
        return known[1]


def _missing(used: Sequence[CapabilityConfig]) -> Capabilities:
    """Return what stands for servers that agents name; those that are there replace them."""
    names = [name for one in used if (name := catalogue_name(one.ref))]
    gone = [
        server_capability(name, preparation=_Gone(name), restrict=_offers_none) for name in names
    ]
    return {capability.id: capability for capability in gone}


def _offers_none(config: dict[str, Any], tool: PreparedTool) -> None:
    """Rule out what was found before a server was removed or disabled."""


class _Gone:
    """Stands for a server that was removed from the catalogue, or is disabled.

    Args:
        name: Its name.
    """

    def __init__(self, name: str) -> None:
        self._note = (
            f"The MCP server {name} is not available: it is not in the catalogue any more, or is "
            "disabled."
        )

    async def prepare(self, config: dict[str, Any], session: SessionContext) -> Prepared:  # noqa: ARG002
        """Return a note alone, which takes the place of what was found before."""
        return Prepared(notes=[self._note])

    async def run(self, tool: PreparedTool, arguments: dict[str, Any], context: ToolContext) -> Any:  # noqa: ARG002
        """Refuse the call of a tool that was offered before.

        Raises:
            ToolError: Always.
        """
        raise ToolError(self._note)
