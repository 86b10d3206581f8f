"""What a store promises about the catalogue of MCP servers."""

from typing import Protocol

from everruns.domain.mcp_servers import McpServer
from everruns.storage.receipts import Receipt


class McpServerStore(Protocol):
    """Keeps MCP servers, the values of whose headers are encrypted already."""

    def put(
        self,
        server: McpServer,
        receipt: Receipt | None = None,
        *,
        forget_authorizations: bool = False,
    ) -> None:
        """Store a server, replacing the one with its id.

        Args:
            server: The server.
            receipt: The receipt of the request that gives it.
            forget_authorizations: Whether its authorizations are deleted.
        """
        ...

    def delete(self, server_id: str) -> bool:
        """Delete a server and its authorizations; return whether it existed."""
        ...

    def list(self) -> list[McpServer]:
        """Return every server, newest first."""
        ...
