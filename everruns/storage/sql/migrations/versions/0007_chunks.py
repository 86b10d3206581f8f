"""Values that are too wide for a row, in chunks of their own."""

from collections.abc import Callable
from dataclasses import dataclass

from alembic import op
from sqlalchemy import BigInteger, Column, Connection, LargeBinary, RowMapping, Text, text

revision = "0007"
down_revision = "0006"

INLINE_BYTES = 32 * 1024
CHUNK_BYTES = 32 * 1024
# The rows that are wide still are read 2,048 at a time, which can take more than is usual.
MEMORY_LIMIT = "16GB"

Owner = Callable[[RowMapping], str]


@dataclass(frozen=True)
class Wide:
    """A column whose values may be too wide.

    Attributes:
        table: Its table.
        column: Its name.
        keys: The columns that tell its rows apart.
        owner: Returns, for these keys, what the chunks are found by.
        size: An expression for the size of a value in bytes.
    """

    table: str
    column: str
    keys: tuple[str, ...]
    owner: Owner
    size: str


def _documents(table: str) -> Wide:
    size = "octet_length(encode(document))"
    return Wide(table, "document", ("id",), lambda row: row["id"], size)


WIDE = [
    _documents("agents"),
    _documents("providers"),
    _documents("sessions"),
    Wide(
        "receipts",
        "answer",
        ("key",),
        lambda row: f"receipt/{row['key']}",
        "octet_length(answer)",
    ),
    Wide(
        "files",
        "content",
        ("workspace_id", "path"),
        lambda row: row["workspace_id"] + row["path"],
        "size_bytes",
    ),
    Wide(
        "events",
        "body",
        ("session_id", "sequence"),
        lambda row: f"{row['session_id']}/{row['sequence']}",
        "octet_length(encode(body))",
    ),
]


def upgrade() -> None:
    """Create the table, and move there what rows hold that is too wide for them."""
    op.create_table(
        "chunks",
        Column("owner", Text, nullable=False),
        Column("number", BigInteger, nullable=False),
        Column("content", LargeBinary, nullable=False),
    )
    op.create_index("chunks_owner", "chunks", ["owner"])
    connection = op.get_bind()
    usual = connection.execute(text("SELECT current_setting('memory_limit')")).scalar_one()
    connection.execute(text(f"SET GLOBAL memory_limit = '{MEMORY_LIMIT}'"))
    try:
        for wide in WIDE:
            _move(connection, wide)
    finally:
        connection.execute(text(f"SET GLOBAL memory_limit = '{usual}'"))


def _move(connection: Connection, wide: Wide) -> None:
    columns = ", ".join(wide.keys)
    found = connection.execute(
        text(f"SELECT {columns} FROM {wide.table} WHERE {wide.size} > {INLINE_BYTES}")  # noqa: S608
    )
    is_meant = " AND ".join(f"{key} = :{key}" for key in wide.keys)
    select = text(f"SELECT {wide.column} FROM {wide.table} WHERE {is_meant}")  # noqa: S608
    update = text(f"UPDATE {wide.table} SET {wide.column} = :mark WHERE {is_meant}")  # noqa: S608
    insert = text("INSERT INTO chunks VALUES (:owner, :number, :content)")
    for row in found.mappings().all():
        keys = {key: row[key] for key in wide.keys}
        value = connection.execute(select, keys).scalar_one()
        content: bytes = value.encode() if isinstance(value, str) else value
        for number, start in enumerate(range(0, len(content), CHUNK_BYTES)):
            chunk = content[start : start + CHUNK_BYTES]
            owner = wide.owner(row)
            connection.execute(insert, {"owner": owner, "number": number, "content": chunk})
        mark = f"chunks:{len(content)}"
        mark_of_type = mark if isinstance(value, str) else mark.encode()
        connection.execute(update, {**keys, "mark": mark_of_type})
