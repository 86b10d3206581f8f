"""The order of ledgers in PostgreSQL: pages and periods read from an index."""

from alembic import op
from sqlalchemy import text

from everruns.storage.sql.dialects import is_duckdb

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Replace the index that has no order."""
    connection = op.get_bind()
    if not is_duckdb(connection):
        connection.execute(text("DROP INDEX ledger_budget_id"))
        connection.execute(
            text(
                "CREATE INDEX ledger_budget_id"
                " ON ledger (budget_id, created_at DESC, id DESC) INCLUDE (amount)"
            )
        )
