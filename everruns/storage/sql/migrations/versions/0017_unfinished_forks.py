"""Forks whose events are copied in several transactions."""

from alembic import op
from sqlalchemy import BigInteger, Column, Text

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "unfinished_forks",
        Column("session_id", Text, primary_key=True),
        Column("sequence", BigInteger, nullable=False),
    )
