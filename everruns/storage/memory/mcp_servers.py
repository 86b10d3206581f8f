"""The catalogue of MCP servers in memory."""

from everruns.domain.mcp_servers import McpServer
from everruns.storage.memory.contents import Contents
from everruns.storage.receipts import Receipt


class MemoryMcpServers:
    """Implements ``McpServerStore``."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def put(
        self,
        server: McpServer,
        receipt: Receipt | None = None,
        *,
        forget_authorizations: bool = False,
    ) -> None:
        """Store a server, replacing the one with its id, and perhaps forget who authorized it."""
        with self._contents.lock:
            self._contents.mcp_servers[server.id] = server
            self._contents.remember(receipt)
            if forget_authorizations:
                self._forget_authorizations(server.id)

    def delete(self, server_id: str) -> bool:
        """Delete a server and its authorizations; return whether it existed."""
        with self._contents.lock:
            self._forget_authorizations(server_id)
            return self._contents.mcp_servers.pop(server_id, None) is not None

    def list(self) -> list[McpServer]:
        """Return every server, newest first."""
        with self._contents.lock:
            servers = tuple(self._contents.mcp_servers.values())
        return sorted(
            servers, key=lambda server: (server.created_at or "", server.id), reverse=True
        )

    def _forget_authorizations(self, server_id: str) -> None:
        self._contents.mcp_authorizations = {
            key: stored
            for key, stored in self._contents.mcp_authorizations.items()
            if stored.server_id != server_id
        }
