"""What lists of sessions need in PostgreSQL."""

from alembic import op
from sqlalchemy import text

from everruns.storage.sql.dialects import is_duckdb
from everruns.storage.sql.session_texts import LISTS

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add it, with the texts of the sessions that are there."""
    connection = op.get_bind()
    if not is_duckdb(connection):
        connection.execute(text(LISTS))
