"""What a store promises about the catalogue of MCP servers."""

from typing import Protocol

from everruns.domain.mcp_servers import McpServer
from everruns.storage.receipts import Receipt


class McpServerStore(Protocol):
    """Keeps MCP servers, the values of whose headers are encrypted already."""

    def put(self, server: McpServer, receipt: Receipt | None = None) -> None:
        """Store a server, replacing the one with its id."""
        ...

    def delete(self, server_id: str) -> bool:
        """Delete a server; return whether it existed."""
        ...

    def list(self) -> list[McpServer]:
        """Return every server, newest first."""
        ...
