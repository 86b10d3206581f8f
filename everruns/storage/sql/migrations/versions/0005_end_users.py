"""Whose a session is among the users of an application."""

from alembic import op
from sqlalchemy import Column, Text

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; sessions that are there already are nobody's."""
    op.add_column("sessions", Column("end_user", Text))
