"""Authorizations at MCP servers in a database."""

from dataclasses import asdict

from sqlalchemy import ColumnElement, delete, select, update

from everruns.storage.mcp_authorizations import Kind, StoredAuthorization
from everruns.storage.sql.database import Database
from everruns.storage.sql.statements import upsert
from everruns.storage.sql.tables import mcp_authorizations as table


class SqlMcpAuthorizations:
    """Implements ``McpAuthorizationStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, stored: StoredAuthorization) -> None:
        """Store one, replacing the one with its id."""
        with self._database.writing() as connection:
            upsert(connection, table, [asdict(stored)])

    def exchange(self, stored: StoredAuthorization, version: str) -> bool:
        """Replace the one with its id if that still has a version; return whether it had."""
        changed = {name: value for name, value in asdict(stored).items() if name != "id"}
        statement = (
            update(table)
            .where(table.c.id == stored.id, table.c.version == version)
            .values(changed)
            .returning(table.c.id)
        )
        with self._database.writing() as connection:
            return bool(connection.execute(statement).all())

    def find(self, authorization_id: str) -> StoredAuthorization | None:
        """Return the one with an id."""
        found = self._found(table.c.id == authorization_id)
        return found[0] if found else None

    def list(self, server_id: str, kind: Kind) -> list[StoredAuthorization]:
        """Return those of a server, by id."""
        return self._found(table.c.server_id == server_id, table.c.kind == kind)

    def delete(self, authorization_id: str) -> bool:
        """Delete one; return whether it existed."""
        return bool(self._delete(table.c.id == authorization_id))

    def delete_consents(self, subject_id: str) -> int:
        """Delete the consents that one subject may still give at a server; return how many."""
        return self._delete(table.c.kind == "consent", table.c.subject_id == subject_id)

    def prune(self, before_ms: int) -> int:
        """Delete all that may be forgotten by a time; return how many there were."""
        return self._delete(table.c.expires_ms <= before_ms)

    def _found(self, *conditions: ColumnElement[bool]) -> "list[StoredAuthorization]":
        statement = select(table).where(*conditions).order_by(table.c.id)
        with self._database.reading() as connection:
            rows = connection.execute(statement).mappings().all()
        return [StoredAuthorization(**row) for row in rows]

    def _delete(self, *conditions: ColumnElement[bool]) -> int:
        statement = delete(table).where(*conditions).returning(table.c.id)
        with self._database.writing() as connection:
            return len(connection.execute(statement).all())
