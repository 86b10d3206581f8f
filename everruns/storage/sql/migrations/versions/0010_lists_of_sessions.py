"""What lists of sessions are filtered and sorted by: state, time of the last update, tags."""

from collections.abc import Iterator

import orjson
from alembic import op
from sqlalchemy import BigInteger, Column, Connection, Text, text

revision = "0010"
down_revision = "0009"

BATCH = 1000
INSERT = text("INSERT INTO session_tags (session_id, tag) VALUES (:session_id, :tag)")


def upgrade() -> None:
    """Turn ``turn_id`` into the state, and fill the rest from what the rows have.

    The columns are filled as they are altered: DuckDB alters no table whose rows were updated in
    the same transaction. What a turn waits for is known of turns that began to wait under this
    version; earlier ones are found by their status until a host has loaded them once.
    """
    op.execute("ALTER TABLE sessions RENAME COLUMN turn_id TO state")
    op.execute(
        "ALTER TABLE sessions ALTER COLUMN state TYPE text"
        """ USING coalesce(nullif(regexp_extract(summary, '"status":"([a-z]+)"', 1), ''),"""
        " 'started')"
    )
    op.add_column("sessions", Column("updated_ms", BigInteger))
    op.execute(
        "ALTER TABLE sessions ALTER COLUMN updated_ms TYPE bigint USING coalesce("
        "CAST(extract(epoch FROM CAST(nullif("
        """regexp_extract(summary, '"updated_at":"([^"]+)"', 1), '') AS timestamp)) * 1000"""
        " AS bigint), created_ms)"
    )
    op.create_table(
        "session_tags",
        Column("session_id", Text, nullable=False),
        Column("tag", Text, nullable=False),
    )
    connection = op.get_bind()
    rows = list(_tags(connection))
    for start in range(0, len(rows), BATCH):
        connection.execute(INSERT, rows[start : start + BATCH])
    op.create_index("session_tags_session_id", "session_tags", ["session_id"])
    op.create_index("session_tags_tag", "session_tags", ["tag"])


def _tags(connection: Connection) -> Iterator[dict[str, str]]:
    """Yield the rows of the tags that sessions have."""
    tagged = text(
        """SELECT id, document FROM sessions WHERE document LIKE '%"tags":["%'"""
        " OR document LIKE 'chunks:%'"
    )
    chunks = text("SELECT number, content FROM chunks WHERE owner = :owner")
    for identity, found in connection.execute(tagged).all():
        document: str | bytes = found
        if found.startswith("chunks:"):
            stored = connection.execute(chunks, {"owner": identity}).all()
            document = b"".join(content for _, content in sorted(stored))
        for tag in dict.fromkeys(orjson.loads(document)["tags"]):
            yield {"session_id": identity, "tag": tag}
