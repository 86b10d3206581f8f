"""Files of workspaces in a database."""

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Connection, RowMapping, delete, func, insert, literal, select
from sqlalchemy.sql import ColumnElement

from everruns.domain.files import File
from everruns.storage.files import StoredFile
from everruns.storage.sql.chunks import FILES, copy_chunks, delete_chunks, file_owner, fits_row
from everruns.storage.sql.database import Database
from everruns.storage.sql.dialects import only_of
from everruns.storage.sql.tables import Row, StoredRow, files


class SqlFiles:
    """Implements ``FileStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, workspace_id: str, path: str) -> File | None:
        """Return a file or directory with its content."""
        statement = select(files).where(*_at(workspace_id, files.c.path == path))
        with self._database.reading() as connection:
            row = connection.execute(statement).mappings().first()
            return _with_content(connection, row) if row else None

    def read(self, workspace_id: str, paths: Collection[str]) -> list[File]:
        """Return the existing files at exactly these paths, sorted by path."""
        statement = select(files).where(*_at(workspace_id, files.c.path.in_(paths)))
        with self._database.reading() as connection:
            rows = connection.execute(statement).mappings().all()
            return _sorted(_with_content(connection, row) for row in rows)

    def put(self, files: Sequence[StoredFile]) -> None:
        """Store files and directories, replacing those with the same path."""
        with self._database.writing() as connection:
            put_files(connection, files)

    def delete(self, workspace_id: str, paths: Collection[str]) -> int:
        """Delete the files at exactly these paths; return how many existed."""
        with self._database.writing() as connection:
            return _delete(connection, workspace_id, paths)

    def exchange(self, workspace_id: str, gone: Collection[str], new: Sequence[File]) -> None:
        """Delete the files at some paths and store others in one transaction."""
        with self._database.writing() as connection:
            _delete(connection, workspace_id, gone)
            put_files(connection, [StoredFile(workspace_id, file) for file in new])

    def list(self, workspace_id: str, prefix: str, *, contents: bool = False) -> list[File]:
        """Return the files and directories whose path begins with ``prefix``, sorted by path."""
        columns = [column for column in files.c if contents or column.name != "content"]
        is_meant = func.starts_with(files.c.path, prefix)
        statement = select(*columns).where(*_at(workspace_id, is_meant))
        with self._database.reading() as connection:
            rows = connection.execute(statement).mappings().all()
            if contents:
                return _sorted(_with_content(connection, row) for row in rows)
        return _sorted(_file(row) for row in rows)


def put_files(connection: Connection, stored: Sequence[StoredFile]) -> None:
    """Store files, replacing those with the same path."""
    FILES.put(connection, [_row(each) for each in stored])


def copy_files(connection: Connection, workspace_id: str, other_id: str) -> None:
    """Copy all files of a workspace to a new one."""
    copied = {**{column.name: column for column in files.c}, "workspace_id": literal(other_id)}
    of_workspace = files.c.workspace_id == workspace_id
    found = select(*copied.values()).where(of_workspace)
    connection.execute(insert(files).from_select([*copied], found))
    sizes = select(files.c.path, files.c.size_bytes).where(of_workspace)
    for path, size_bytes in connection.execute(sizes).all():
        if not fits_row(size_bytes):
            copy_chunks(connection, file_owner(workspace_id, path), file_owner(other_id, path))


def delete_all_files(connection: Connection, workspace_id: str) -> None:
    """Delete all files of a workspace."""
    deleted = delete(files).where(files.c.workspace_id == workspace_id).returning(files.c.path)
    paths = connection.execute(deleted).scalars().all()
    delete_chunks(connection, [file_owner(workspace_id, path) for path in paths])


def _delete(connection: Connection, workspace_id: str, paths: Collection[str]) -> int:
    statement = delete(files).where(*_at(workspace_id, files.c.path.in_(paths)))
    gone = connection.execute(statement.returning(files.c.path)).scalars().all()
    delete_chunks(connection, [file_owner(workspace_id, path) for path in gone])
    return len(gone)


def _at(workspace_id: str, is_meant: ColumnElement[bool]) -> tuple[ColumnElement[bool], ...]:
    is_there = files.c.workspace_id == workspace_id
    return is_there, only_of(is_there, is_meant)


def _sorted(found: Iterable[File]) -> list[File]:
    # Sorted here, because the collations of databases differ.
    return sorted(found, key=lambda file: file.path)


def _row(stored: StoredFile) -> Row:
    return {"workspace_id": stored.workspace_id, **vars(stored.file)}


def _file(row: StoredRow) -> File:
    """Return the file of a row, without content when the row was read without."""
    return File(**{str(name): value for name, value in row.items() if name != "workspace_id"})


def _with_content(connection: Connection, row: RowMapping) -> File:
    # A small file may happen to look like the mark for content in chunks.
    if fits_row(row["size_bytes"]):
        return _file(row)
    return _file(FILES.whole(connection, [row])[0])
