"""Workspaces that outlive their sessions, and an index that finds the files of one."""

from alembic import op
from sqlalchemy import Column, Text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table and the index; workspaces that sessions have already need no row."""
    op.create_table(
        "workspaces",
        Column("id", Text, primary_key=True),
        Column("name", Text, nullable=False),
        Column("description", Text),
        Column("status", Text, nullable=False),
        Column("created_at", Text, nullable=False),
        Column("document", Text, nullable=False),
    )
    op.create_index("files_workspace_id", "files", ["workspace_id"])
