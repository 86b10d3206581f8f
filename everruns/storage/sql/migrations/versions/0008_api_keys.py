"""API keys, which were in a file of their own before (``storage.data_directory.key_file``)."""

from alembic import op
from sqlalchemy import Column, Text

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "api_keys",
        Column("id", Text, primary_key=True),
        Column("created_at", Text, nullable=False),
        Column("document", Text, nullable=False),
    )
