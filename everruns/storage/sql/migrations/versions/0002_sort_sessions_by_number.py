"""The time of a session's creation as a number, by which a page of the newest is found at once."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Turn the text into milliseconds since the epoch, in place.

    One statement: DuckDB alters no table whose rows were updated in the same transaction.
    """
    op.execute(
        "ALTER TABLE sessions ALTER COLUMN created_at TYPE bigint"
        " USING CAST(extract(epoch FROM CAST(created_at AS timestamp)) * 1000 AS bigint)"
    )
    op.execute("ALTER TABLE sessions RENAME COLUMN created_at TO created_ms")
