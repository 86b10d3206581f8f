"""The migrations lead to exactly the tables that the program knows."""

from pathlib import Path
from uuid import uuid4

import orjson
from sqlalchemy import Engine, text

from everruns.domain.sessions import SessionSummary
from everruns.ids import parse_time
from everruns.storage.duckdb.engine import duckdb_engine
from everruns.storage.sql.migrate import migrate
from everruns.storage.sql.tables import metadata

LATER = "2026-01-31T10:00:00.007Z"


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


SESSION_OF_0009 = (
    "INSERT INTO sessions (id, workspace_id, created_ms, document, sequence, turn_id, summary)"
    " VALUES (:id, 'w', 7, :document, :sequence, :turn_id, :summary)"
)


def test_sessions_of_before_are_found_by_state_time_and_tags(tmp_path: Path) -> None:
    migrate(engine := duckdb_engine(str(tmp_path / "database")), "0009")
    summaries = {
        "session_1": SessionSummary().model_dump_json(),
        "session_2": SessionSummary(status="idle", updated_at=LATER).model_dump_json(),
        "session_3": SessionSummary(status="active", preview='"status":"idle"').model_dump_json(),
    }
    tags = {"session_1": [], "session_2": ["a", 'b"c'], "session_3": ["a"]}
    with engine.begin() as connection:
        for identity, summary in summaries.items():
            row = {
                "id": identity,
                "document": orjson.dumps({"tags": tags[identity]}).decode(),
                "sequence": 1,
                "turn_id": "turn_1" if identity == "session_3" else None,
                "summary": summary,
            }
            connection.execute(text(SESSION_OF_0009), row)

    migrate(engine)

    with engine.connect() as connection:
        stored = connection.execute(text("SELECT id, state, updated_ms FROM sessions ORDER BY id"))
        assert [tuple(row) for row in stored] == [
            ("session_1", "started", 7),
            ("session_2", "idle", parse_time(LATER)),
            ("session_3", "active", 7),
        ]
        found = connection.execute(text("SELECT session_id, tag FROM session_tags")).all()
    assert {tuple(row) for row in found} == {
        (identity, tag) for identity, given in tags.items() for tag in given
    }


def test_tags_of_wide_sessions_are_kept_from_the_first_version_that_had_them() -> None:
    """The migrations before have moved the wide document into chunks."""
    engine = duckdb_engine(f":memory:{uuid4().hex}")
    migrate(engine, "0006")
    document = orjson.dumps({"system_prompt": "wide " * 20_000, "tags": ["a"]}).decode()
    row = {"id": "session_1", "document": document, "sequence": 0, "turn_id": None}
    with engine.begin() as connection:
        connection.execute(text(SESSION_OF_0009), {**row, "summary": "{}"})

    migrate(engine)

    with engine.connect() as connection:
        found = connection.execute(text("SELECT session_id, tag FROM session_tags")).all()
    assert [tuple(row) for row in found] == [("session_1", "a")]
