"""The first tables."""

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    LargeBinary,
    PrimaryKeyConstraint,
    Text,
)

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables of an empty database."""
    op.create_table(
        "agents",
        Column("id", Text, primary_key=True),
        Column("name", Text, nullable=False),
        Column("display_name", Text),
        Column("description", Text),
        Column("status", Text, nullable=False),
        Column("created_at", Text, nullable=False),
        Column("document", Text, nullable=False),
    )
    op.create_table(
        "providers",
        Column("id", Text, primary_key=True),
        Column("created_at", Text, nullable=False),
        Column("document", Text, nullable=False),
        Column("encrypted_api_key", Text),
    )
    op.create_table(
        "sessions",
        Column("id", Text, primary_key=True),
        Column("agent_id", Text),
        Column("workspace_id", Text, nullable=False),
        Column("title", Text),
        Column("created_at", Text, nullable=False),
        Column("document", Text, nullable=False),
        Column("sequence", BigInteger, nullable=False),
        Column("turn_id", Text),
        Column("preview", Text),
        Column("summary", Text, nullable=False),
    )
    op.create_table(
        "events",
        Column("session_id", Text, nullable=False),
        Column("sequence", BigInteger, nullable=False),
        Column("id", Text, nullable=False),
        Column("type", Text, nullable=False),
        Column("turn_id", Text),
        Column("ts", BigInteger, nullable=False),
        Column("body", Text, nullable=False),
        PrimaryKeyConstraint("session_id", "sequence"),
    )
    op.create_index("events_session_id", "events", ["session_id"])
    op.create_table(
        "receipts",
        Column("key", Text, primary_key=True),
        Column("request", Text, nullable=False),
        Column("answer", LargeBinary, nullable=False),
        Column("stored_ms", BigInteger, nullable=False),
    )
    op.create_table(
        "files",
        Column("workspace_id", Text, nullable=False),
        Column("path", Text, nullable=False),
        Column("is_directory", Boolean, nullable=False),
        Column("is_readonly", Boolean, nullable=False),
        Column("encoding", Text, nullable=False),
        Column("size_bytes", BigInteger, nullable=False),
        Column("created_at", Text, nullable=False),
        Column("updated_at", Text, nullable=False),
        Column("content", LargeBinary, nullable=False),
        PrimaryKeyConstraint("workspace_id", "path"),
    )
