"""Headers of providers, encrypted like their keys."""

from alembic import op
from sqlalchemy import Column, Text

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the column."""
    op.add_column("providers", Column("encrypted_headers", Text))
