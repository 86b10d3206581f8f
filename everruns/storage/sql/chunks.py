"""Values that are too wide for a row, stored in chunks.

DuckDB handles 2,048 rows at a time, and holds all of their values in memory together, when it sorts
or searches them and also when it writes a checkpoint. Rows of a few megabytes would exhaust its
memory, so a row holds at most ``INLINE_BYTES`` of one value. A wider value is stored in the table
``chunks``, and its row only says how wide it is.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    Connection,
    LargeBinary,
    Table,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    select,
    text,
)

from everruns.domain.base import KIB
from everruns.storage.sql import tables
from everruns.storage.sql.dialects import Text, only_of
from everruns.storage.sql.statements import by_column, rendered, rows_of, upsert
from everruns.storage.sql.tables import Row, StoredRow, chunks

INLINE_BYTES = 32 * KIB
CHUNK_BYTES = 32 * KIB
# The chunks per statement, which bounds its memory.
CHUNKS_AT_ONCE = 256

# Neither JSON nor any other value in these columns starts like this.
MARK = "chunks:"
_MARK_BYTES = MARK.encode()

_INSERT = rendered(insert(chunks).from_select(chunks.c.keys(), rows_of(chunks.c)))
# DuckDB uses the index for one owner at a time, and reads the whole table for several.
_OF_OWNER = chunks.c.owner == bindparam("owner")
_SELECT = rendered(select(chunks.c.number, chunks.c.content).where(_OF_OWNER))
_DELETE = rendered(delete(chunks).where(_OF_OWNER))
_IS_FIRST = chunks.c.number == text("0")
_SELECT_FIRST = rendered(select(chunks.c.content).where(_OF_OWNER, only_of(_OF_OWNER, _IS_FIRST)))
_FIRST = func.coalesce(cast(bindparam("first"), LargeBinary), chunks.c.content)
_COPY = rendered(
    insert(chunks).from_select(
        chunks.c.keys(),
        select(
            cast(bindparam("new_owner"), Text),
            chunks.c.number,
            case((_IS_FIRST, _FIRST), else_=chunks.c.content),
        ).where(_OF_OWNER),
    )
)


@dataclass(frozen=True)
class WideColumn:
    """A column of texts or bytes of any size.

    Attributes:
        table: Its table.
        name: Its name.
        owner: Returns the key of a row's chunks, unique among all wide values.
    """

    table: Table
    name: str
    owner: Callable[[StoredRow], str]

    def narrow(self, rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
        """Return rows as they are stored, and the chunks of their wide values."""
        narrow: list[Row] = []
        apart: list[Row] = []
        for row in rows:
            value = row[self.name]
            content = value.encode() if isinstance(value, str) else value
            if fits_row(len(content)):
                narrow.append(row)
                continue
            mark = f"{MARK}{len(content)}"
            narrow.append({**row, self.name: mark if isinstance(value, str) else mark.encode()})
            apart += _chunks(self.owner(row), content)
        return narrow, apart

    def put(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Insert rows, or update those whose primary key exists."""
        narrow, apart = self.narrow(rows)
        # The rows first: another writer of the same ones then waits before it looks for chunks.
        upsert(connection, self.table, narrow)
        delete_chunks(connection, [self.owner(row) for row in rows])
        put_chunks(connection, apart)

    def whole(self, connection: Connection, rows: Iterable[StoredRow]) -> list[Row]:
        """Return rows with their wide values."""
        return [self._whole(connection, dict(row)) for row in rows]

    def _whole(self, connection: Connection, row: Row) -> Row:
        value = row[self.name]
        if not is_apart(value):
            return row
        content = read_chunks(connection, self.owner(row))
        return {**row, self.name: content.decode() if isinstance(value, str) else content}


AGENTS = WideColumn(tables.agents, "document", lambda row: row["id"])
PROVIDERS = WideColumn(tables.providers, "document", lambda row: row["id"])
MCP_SERVERS = WideColumn(tables.mcp_servers, "document", lambda row: row["id"])
SESSIONS = WideColumn(tables.sessions, "document", lambda row: row["id"])
RECEIPTS = WideColumn(tables.receipts, "answer", lambda row: f"receipt/{row['key']}")
FILES = WideColumn(
    tables.files, "content", lambda row: file_owner(row["workspace_id"], row["path"])
)
EVENTS = WideColumn(
    tables.events, "body", lambda row: event_owner(row["session_id"], row["sequence"])
)

SNAPSHOTS = WideColumn(tables.snapshots, "content", lambda row: snapshot_owner(row["session_id"]))


def snapshot_owner(session_id: str) -> str:
    """Return the owner of a snapshot's chunks."""
    return f"snapshot/{session_id}"


def event_owner(session_id: str, sequence: int) -> str:
    """Return the owner of an event's chunks."""
    return f"{session_id}/{sequence}"


def file_owner(workspace_id: str, path: str) -> str:
    """Return the owner of a file's chunks; the path is absolute."""
    return workspace_id + path


def fits_row(size_bytes: int) -> bool:
    """Tell whether a value of this size stays in its row."""
    return size_bytes <= INLINE_BYTES


def is_apart(value: str | bytes | None) -> bool:
    """Tell whether a row's value is a mark for a value that is stored in chunks."""
    if value is None:
        return False
    return value.startswith(MARK) if isinstance(value, str) else value.startswith(_MARK_BYTES)


def size_of(value: str | bytes) -> int:
    """Return the size in bytes of a value, wherever it is stored; text counts as UTF-8."""
    if is_apart(value):
        return int(value[len(MARK) :])
    return len(value) if isinstance(value, bytes) or value.isascii() else len(value.encode())


def put_chunks(connection: Connection, rows: Sequence[Row]) -> None:
    """Store chunks."""
    for start in range(0, len(rows), CHUNKS_AT_ONCE):
        connection.execute(_INSERT, by_column(rows[start : start + CHUNKS_AT_ONCE]))


def read_chunks(connection: Connection, owner: str) -> bytes:
    """Return a value that is stored in chunks; a text as its UTF-8."""
    found = connection.execute(_SELECT, {"owner": owner}).all()
    return b"".join(content for _, content in sorted(found))


def read_first_chunk(connection: Connection, owner: str) -> bytes:
    """Return the beginning of a value that is stored in chunks."""
    return connection.execute(_SELECT_FIRST, {"owner": owner}).scalar_one()


def copy_chunks(
    connection: Connection, owner: str, new_owner: str, first: bytes | None = None
) -> None:
    """Copy a value that is stored in chunks.

    Args:
        connection: In a transaction.
        owner: The value's owner.
        new_owner: The owner of the copy.
        first: What the copy has in place of the first chunk, of the same length.
    """
    connection.execute(_COPY, {"owner": owner, "new_owner": new_owner, "first": first})


def delete_chunks(connection: Connection, owners: Collection[str]) -> None:
    """Delete the chunks of values, if any."""
    for owner in owners:
        connection.execute(_DELETE, {"owner": owner})


def _chunks(owner: str, content: bytes) -> list[Row]:
    return [
        {"owner": owner, "number": number, "content": content[start : start + CHUNK_BYTES]}
        for number, start in enumerate(range(0, len(content), CHUNK_BYTES))
    ]
