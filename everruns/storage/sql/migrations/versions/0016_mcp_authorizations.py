"""Authorizations at MCP servers."""

from alembic import op
from sqlalchemy import BigInteger, Column, Text

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "mcp_authorizations",
        Column("id", Text, primary_key=True),
        Column("server_id", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("subject_id", Text, nullable=False),
        Column("version", Text, nullable=False),
        Column("document", Text, nullable=False),
        Column("sealed", Text, nullable=False),
        Column("expires_ms", BigInteger),
    )
