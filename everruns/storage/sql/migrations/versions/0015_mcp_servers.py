"""The catalogue of MCP servers."""

from alembic import op
from sqlalchemy import Column, Text

revision = "0015"
down_revision = "0012"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "mcp_servers",
        Column("id", Text, primary_key=True),
        Column("created_at", Text, nullable=False),
        Column("document", Text, nullable=False),
    )
