"""What a kept answer tells of, so that a deleted session leaves none behind."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; answers that are there already are forgotten after their week."""
    op.execute("ALTER TABLE receipts ADD COLUMN resource_id text")
