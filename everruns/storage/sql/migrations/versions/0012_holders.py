"""The fence: who holds a session, which registry is the newest, and what it has changed."""

from alembic import op
from sqlalchemy import BigInteger, Column

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Let nobody hold the sessions of before: whoever loads one takes it first."""
    op.add_column("sessions", Column("holder", BigInteger, server_default="0"))
    op.create_table(
        "registry",
        Column("id", BigInteger, primary_key=True, autoincrement=False),
        Column("life", BigInteger, nullable=False),
        Column("revision", BigInteger, nullable=False),
    )
