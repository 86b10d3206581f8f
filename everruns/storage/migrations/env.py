"""Runs the migrations on the connection that ``everruns.storage.database.migrate`` gives."""

from alembic import context
from alembic.ddl.postgresql import PostgresqlImpl


class DuckDBImpl(PostgresqlImpl):
    """DuckDB takes PostgreSQL's statements; Alembic finds this class by its dialect's name."""

    __dialect__ = "duckdb"


context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
