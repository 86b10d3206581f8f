"""The statements about the files of a workspace.

DuckDB finds them by their index only if it compares no other column while it scans: so the
workspace is compared plainly, and a ``case`` keeps the comparison of the path out of the scan.
"""

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, RowMapping, case, delete, func, select
from sqlalchemy.sql import ColumnElement

from everruns.storage.sql.tables import files


def select_file(connection: Connection, workspace_id: str, path: str) -> RowMapping | None:
    """Return the row of a file."""
    statement = select(files).where(*_at(workspace_id, files.c.path == path))
    return connection.execute(statement).mappings().first()


def select_files(
    connection: Connection, workspace_id: str, prefix: str, *, contents: bool
) -> list[RowMapping]:
    """Return the rows of the files whose path begins with a text, sorted by path."""
    columns = [column for column in files.c if contents or column.name != "content"]
    statement = select(*columns).where(*_at(workspace_id, func.starts_with(files.c.path, prefix)))
    return _sorted(connection.execute(statement).mappings())


def read_files(
    connection: Connection, workspace_id: str, paths: Collection[str]
) -> list[RowMapping]:
    """Return the rows of the files at exactly these paths, sorted by path."""
    statement = select(files).where(*_at(workspace_id, files.c.path.in_(paths)))
    return _sorted(connection.execute(statement).mappings())


def delete_files(connection: Connection, workspace_id: str, paths: Collection[str]) -> int:
    """Delete the files at exactly these paths; return how many existed."""
    statement = delete(files).where(*_at(workspace_id, files.c.path.in_(paths)))
    return len(connection.execute(statement.returning(files.c.path)).all())


def delete_all_files(connection: Connection, workspace_id: str) -> None:
    """Delete all files of a workspace."""
    connection.execute(delete(files).where(files.c.workspace_id == workspace_id))


def _sorted(rows: Iterable[RowMapping]) -> list[RowMapping]:
    # Sorted here, because the collations of databases differ.
    return sorted(rows, key=lambda row: row["path"])


def _at(workspace_id: str, is_meant: ColumnElement[bool]) -> tuple[ColumnElement[bool], ...]:
    is_there = files.c.workspace_id == workspace_id
    return is_there, case((is_there, is_meant))
