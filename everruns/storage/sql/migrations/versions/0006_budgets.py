"""Budgets, and the ledger of what was charged and added to them."""

from alembic import op
from sqlalchemy import Column, Numeric, Text

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "budgets",
        Column("id", Text, primary_key=True),
        Column("subject_type", Text, nullable=False),
        Column("subject_id", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("created_at", Text, nullable=False),
        Column("document", Text, nullable=False),
    )
    op.create_table(
        "ledger",
        Column("id", Text, primary_key=True),
        Column("budget_id", Text, nullable=False),
        Column("amount", Numeric(38, 12), nullable=False),
        Column("created_at", Text, nullable=False),
        Column("document", Text, nullable=False),
    )
    op.create_index("ledger_budget_id", "ledger", ["budget_id"])
