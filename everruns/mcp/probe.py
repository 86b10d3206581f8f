"""Trying a server out: what it says about itself, and its tools."""

from everruns.domain.mcp_servers import McpAccount, McpProbed, McpToolInfo
from everruns.errors import McpServerUnavailable
from everruns.mcp.connections import Connections
from everruns.tools.base import ToolError


class Probe:
    """Connects to servers once each.

    Args:
        allow_private: Whether loopback and private networks are allowed.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private

    async def probe(self, account: McpAccount) -> McpProbed:
        """Return what a server says about itself, and its tools.

        Raises:
            McpServerUnavailable: It cannot be used; the message says why.
        """
        connections = Connections()
        try:
            listing = await connections.listing(account, self._allow_private)
        except ToolError as failure:
            raise McpServerUnavailable(str(failure)) from None
        finally:
            await connections.close()
        return McpProbed(
            server_name=listing.server_name,
            server_version=listing.server_version,
            protocol_version=listing.revision,
            tools=[
                McpToolInfo(name=tool.name, description=tool.description or None)
                for tool in listing.tools
            ],
        )
