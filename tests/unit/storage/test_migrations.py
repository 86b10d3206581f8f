"""The migrations lead to exactly the tables that the program knows."""

from uuid import uuid4

from sqlalchemy import Engine, text

from everruns.ids import parse_time
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


def test_sessions_keep_the_time_of_their_creation_when_it_becomes_a_number() -> None:
    engine = duckdb_engine(f":memory:{uuid4().hex}")
    migrate(engine, "0001")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO sessions (id, workspace_id, created_at, document, sequence, summary)"
                " VALUES ('session_1', 'w', '2026-01-31T10:00:00.007Z', '{}', 0, '{}')"
            )
        )
    migrate(engine)
    with engine.connect() as connection:
        stored = connection.execute(text("SELECT id, created_ms FROM sessions")).one()
    assert tuple(stored) == ("session_1", parse_time("2026-01-31T10:00:00.007Z"))


def test_sessions_of_before_are_no_end_users() -> None:
    engine = duckdb_engine(f":memory:{uuid4().hex}")
    migrate(engine, "0004")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO sessions (id, workspace_id, created_ms, document, sequence, summary)"
                " VALUES ('session_1', 'w', 7, '{}', 0, '{}')"
            )
        )
    migrate(engine)
    with engine.connect() as connection:
        stored = connection.execute(text("SELECT id, end_user FROM sessions")).one()
    assert tuple(stored) == ("session_1", None)
