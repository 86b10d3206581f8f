"""Workspaces that outlive their sessions, in a database."""

from sqlalchemy import Connection, RowMapping, and_, select
from sqlalchemy.dialects.postgresql import insert

from everruns.domain.workspaces import Workspace
from everruns.storage.sql.database import Database
from everruns.storage.sql.lists import contains, select_page
from everruns.storage.sql.statements import upsert
from everruns.storage.sql.tables import Row, workspaces
from everruns.storage.workspaces import WorkspaceQuery


class SqlWorkspaces:
    """Implements ``WorkspaceStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, workspace: Workspace) -> None:
        """Store a workspace, replacing the one with its id."""
        with self._database.writing() as connection:
            upsert(connection, workspaces, [_row(workspace)])

    def find(self, workspace_id: str) -> Workspace | None:
        """Return a workspace, active or archived."""
        statement = select(workspaces).where(workspaces.c.id == workspace_id)
        with self._database.reading() as connection:
            row = connection.execute(statement).mappings().first()
        return _workspace(row) if row else None

    def list(self, query: WorkspaceQuery) -> tuple[list[Workspace], int]:
        """Return a page of workspaces and how many match in all."""
        c = workspaces.c
        matching = contains(query.search, c.id, c.name, c.description)
        if not query.include_archived:
            matching = and_(c.status == "active", matching)
        with self._database.reading() as connection:
            rows, total = select_page(connection, c.created_at, matching, query)
        return [_workspace(row) for row in rows], total


def make_shared(connection: Connection, workspace: Workspace) -> None:
    """Let a session's own workspace outlive it, unless it already does."""
    shared = insert(workspaces).on_conflict_do_nothing()
    connection.execute(shared, _row(workspace))


def is_shared(connection: Connection, workspace_id: str) -> bool:
    """Tell whether a workspace outlives its sessions."""
    shared = select(workspaces.c.id).where(workspaces.c.id == workspace_id)
    return connection.execute(shared).first() is not None


def _row(workspace: Workspace) -> Row:
    return {
        "id": workspace.id,
        "name": workspace.name,
        "description": workspace.description,
        "status": workspace.status,
        "created_at": workspace.created_at,
        "document": workspace.model_dump_json(),
    }


def _workspace(row: RowMapping) -> Workspace:
    return Workspace.model_validate_json(row["document"])
