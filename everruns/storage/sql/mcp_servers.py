"""The catalogue of MCP servers in a database."""

from sqlalchemy import Delete, delete, select

from everruns.domain.mcp_servers import McpServer
from everruns.storage.receipts import Receipt
from everruns.storage.sql.chunks import MCP_SERVERS, delete_chunks
from everruns.storage.sql.database import Database
from everruns.storage.sql.receipts import remember
from everruns.storage.sql.tables import mcp_authorizations, mcp_servers


class SqlMcpServers:
    """Implements ``McpServerStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(
        self,
        server: McpServer,
        receipt: Receipt | None = None,
        *,
        forget_authorizations: bool = False,
    ) -> None:
        """Store a server, replacing the one with its id, and perhaps forget who authorized it."""
        row = {"id": server.id, "created_at": server.created_at, "document": server.stored()}
        with self._database.writing() as connection:
            MCP_SERVERS.put(connection, [row])
            if forget_authorizations:
                connection.execute(_of_server(server.id))
            remember(connection, *filter(None, [receipt]))

    def delete(self, server_id: str) -> bool:
        """Delete a server and its authorizations; return whether it existed."""
        statement = delete(mcp_servers).where(mcp_servers.c.id == server_id)
        with self._database.writing() as connection:
            deleted = connection.execute(statement.returning(mcp_servers.c.id)).all()
            delete_chunks(connection, [server_id])
            connection.execute(_of_server(server_id))
        return bool(deleted)

    def list(self) -> list[McpServer]:
        """Return every server, newest first."""
        newest_first = mcp_servers.c.created_at.desc(), mcp_servers.c.id.desc()
        with self._database.reading() as connection:
            found = connection.execute(select(mcp_servers).order_by(*newest_first)).mappings()
            rows = MCP_SERVERS.whole(connection, found)
        return [McpServer.model_validate_json(row["document"]) for row in rows]


def _of_server(server_id: str) -> Delete:
    return delete(mcp_authorizations).where(mcp_authorizations.c.server_id == server_id)
