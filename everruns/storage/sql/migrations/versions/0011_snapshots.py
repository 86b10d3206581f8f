"""Snapshots of sessions, from which they are loaded instead of from their first event."""

from alembic import op
from sqlalchemy import BigInteger, Column, LargeBinary, Text

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Create the table; sessions get their snapshots as they go on."""
    op.create_table(
        "snapshots",
        Column("session_id", Text, primary_key=True),
        Column("sequence", BigInteger, nullable=False),
        Column("format", BigInteger, nullable=False),
        Column("content", LargeBinary, nullable=False),
    )
