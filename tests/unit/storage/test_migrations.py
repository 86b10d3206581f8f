"""The migrations lead to exactly the tables that the program knows."""

from uuid import uuid4

from sqlalchemy import Engine, text

from everruns.storage.database import duckdb_engine, migrate
from everruns.storage.tables import metadata


def structure(engine: Engine) -> dict[str, list[str]]:
    """Return columns, constraints and indexes as text, without Alembic's own table."""
    sources = {
        "columns": "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns()"
        " WHERE NOT internal",
        "constraints": "SELECT table_name, constraint_type, constraint_column_names"
        " FROM duckdb_constraints()",
        "indexes": "SELECT table_name, index_name, sql FROM duckdb_indexes()",
    }
    with engine.connect() as connection:
        return {
            name: sorted(
                str(row)
                for row in connection.execute(text(source))
                if row.table_name != "alembic_version"
            )
            for name, source in sources.items()
        }


def test_migrating_gives_the_tables_of_the_program() -> None:
    migrated, created = (duckdb_engine(f":memory:{uuid4().hex}") for _ in range(2))
    migrate(migrated)
    metadata.create_all(created)
    assert structure(migrated) == structure(created)
    assert len(structure(migrated)["columns"]) > 40


def test_migrating_again_changes_nothing() -> None:
    engine = duckdb_engine(f":memory:{uuid4().hex}")
    migrate(engine)
    before = structure(engine)
    migrate(engine)
    assert structure(engine) == before
