"""A server as a capability: its tools are found at the start of each turn."""

from collections.abc import Callable
from typing import Any

from everruns.capabilities.base import Capability
from everruns.domain.mcp_servers import McpAccount
from everruns.domain.prepared import Prepared, PreparedTool
from everruns.mcp.call import Call
from everruns.mcp.connections import Connections
from everruns.mcp.offer import offer
from everruns.mcp.results import told
from everruns.tools.base import SessionContext, ToolContext

ID_PREFIX = "mcp:"
# The call's own limit comes first and says more.
MARGIN_S = 5.0

ReportProgress = Callable[[ToolContext, float, float | None, str | None], None]

CONFIG_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "allowed_tools": {
            "description": "The server's names of the tools to offer; all if absent.",
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 256},
            "maxItems": 512,
        },
        "require_approval": {
            "description": "always, never, or the names of the tools whose calls are held.",
            "anyOf": [
                {"enum": ["always", "never"]},
                {
                    "type": "array",
                    "items": {"type": "string", "minLength": 1, "maxLength": 256},
                    "maxItems": 512,
                },
            ],
        },
    },
    "additionalProperties": False,
}


class McpServer:
    """Prepares and calls one server's tools; implements ``Preparation``.

    Args:
        account: The server.
        connections: The process's connections.
        progress: Told of each call's progress.
    """

    def __init__(
        self,
        account: McpAccount,
        connections: Connections,
        progress: ReportProgress | None = None,
    ) -> None:
        self._account = account
        self._connections = connections
        self._progress = progress

    async def prepare(self, config: dict[str, Any], session: SessionContext) -> Prepared:
        """Return the server's tools.

        Raises:
            McpFailure: The server cannot be used; the message says why.
        """
        listing = await self._connections.listing(
            self._account, session.allow_private_addresses, session.end_user
        )
        limits = self._connections.limits
        timeout_s = limits.connect_s + limits.call_s + MARGIN_S
        return offer(self._account, listing, config, timeout_s)

    async def run(self, tool: PreparedTool, arguments: dict[str, Any], context: ToolContext) -> Any:
        """Call a tool and return a JSON value or a ``ToolOutput``.

        Raises:
            McpFailure: The server refused, or failed; the message says what is known.
            InputRequired: The server wants answers from a person first.
            ToolError: The tool failed.
        """

        def progressed(done: float, total: float | None, message: str | None) -> None:
            if self._progress:
                self._progress(context, done, total, message)

        result = await self._connections.call(
            self._account,
            Call(tool.reference["tool"], arguments, progress=progressed),
            repeatable=tool.repeatable,
            allow_private=context.allow_private_addresses,
            end_user=context.end_user,
        )
        return told(result)


def mcp_capability(
    account: McpAccount, connections: Connections, progress: ReportProgress | None = None
) -> Capability:
    """Return the capability that offers a server's tools.

    Args:
        account: The server.
        connections: The process's connections.
        progress: Told of each call's progress.
    """
    return Capability(
        id=f"{ID_PREFIX}{account.name}",
        name=account.name,
        description=f"Tools of the MCP server {account.name}.",
        icon="plug",
        category="MCP servers",
        config_schema=CONFIG_SCHEMA,
        preparation=McpServer(account, connections, progress),
    )
