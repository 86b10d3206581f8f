"""Runs the migrations on the connection that ``migrate`` gives."""

from alembic import context
from alembic.ddl.postgresql import PostgresqlImpl


class DuckDBImpl(PostgresqlImpl):
    """DuckDB takes PostgreSQL's statements; Alembic finds this class by its dialect's name."""

    __dialect__ = "duckdb"


# Each in a transaction of its own: DuckDB alters no table whose rows were updated in the same one.
context.configure(
    connection=context.config.attributes["connection"], transaction_per_migration=True
)
with context.begin_transaction():
    context.run_migrations()
