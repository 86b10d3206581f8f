"""What a query of the archive may be."""

from pathlib import Path

import duckdb
import pytest

from everruns.archive.answers import Asked
from everruns.archive.engine import Engine
from everruns.archive.statements import TABLE_FUNCTIONS, Refused
from everruns.archive.views import NAMES

SECRET = "nobody may read this"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive's folder with a file that no view shows any more, and one beside it."""
    folder = tmp_path_factory.mktemp("data") / "archive"
    folder.mkdir()
    for place in (folder, folder.parent):
        duckdb.execute(f"COPY (SELECT '{SECRET}' AS text) TO '{place}/old.parquet'")
        (place / "notes.txt").write_text(SECRET)
    return folder


@pytest.fixture(scope="module")
def engine(folder: Path) -> Engine:
    engine = Engine(str(folder))
    engine.use([], [])
    return engine


def run(engine: Engine, query: str, *parameters: object) -> bytes:
    return engine.answer(Asked(query, list(parameters), 100), "json", 5.0).content


ALLOWED = [
    "SELECT 1",
    "select 1;",
    "SELECT * FROM events -- a comment",
    "FROM turns",
    "TABLE messages",
    "VALUES (1), (2)",
    "SELECT * FROM main.sessions",
    'SELECT * FROM "Sessions"',
    "DESCRIBE events",
    "SUMMARIZE model_calls",
    "SHOW TABLES",
    "SELECT DISTINCT ON (model) * FROM model_calls ORDER BY model DESC NULLS LAST LIMIT 3 OFFSET 1",
    "SELECT * FROM tool_calls ORDER BY ALL LIMIT 10%",
    "WITH days AS (SELECT day FROM usage_daily) SELECT * FROM days JOIN days AS others USING (day)",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 9) SELECT * FROM t",
    "SELECT a FROM (SELECT 1 AS a UNION ALL BY NAME SELECT 2 AS a EXCEPT SELECT 3)",
    "SELECT agent_id, count(*) FROM turns GROUP BY ROLLUP (agent_id) HAVING count(*) > 1",
    "SELECT row_number() OVER (PARTITION BY model ORDER BY day) FROM model_calls QUALIFY 1 = 1",
    "SELECT (SELECT max(ts) FROM events), EXISTS (FROM turns), 1 IN (SELECT sequence FROM events)",
    "SELECT * FROM range(3) t(i), LATERAL (SELECT i + 1), unnest([1, 2]), generate_series(1, 2)",
    "SELECT e.arguments->>'$.a', j.key FROM events e, json_each(e.arguments) j",
    "FROM model_calls PIVOT (sum(cost_usd) FOR model IN ('a', 'b') GROUP BY day)",
    "UNPIVOT usage_daily ON input_tokens, output_tokens INTO NAME kind VALUE tokens",
    "SELECT * EXCLUDE (text) REPLACE (upper(role) AS role) FROM messages TABLESAMPLE 10%",
    "SELECT list_transform([1, 2], lambda x: x + 1), {'a': 1}, MAP {1: 2}, [x FOR x IN [1]]",
    "SELECT quantile_cont(duration_ms, [0.5, 0.95]), median(duration_ms) FROM turns",
    "SELECT date_trunc('week', ts), ts AT TIME ZONE 'Europe/Paris', now(), version() FROM events",
    "SELECT * FROM turns ASOF JOIN model_calls ON turns.started_at >= model_calls.ended_at",
]


@pytest.mark.parametrize("query", ALLOWED)
def test_a_query_over_the_views_is_allowed(engine: Engine, query: str):
    assert b'"rows"' in run(engine, query)


REFUSED = [
    "SELECT 1; SELECT 2",
    "",
    ";",
    "-- nothing",
    "EXPLAIN SELECT 1",
    "CREATE TABLE t (a INT)",
    "CREATE VIEW v AS SELECT 1",
    "DROP VIEW events",
    "INSERT INTO events VALUES (1)",
    "UPDATE events SET type = 'x'",
    "DELETE FROM events",
    "MERGE INTO events USING turns ON true WHEN MATCHED THEN DELETE",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "BEGIN",
    "SET threads = 8",
    "SET VARIABLE a = 1",
    "RESET memory_limit",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "CALL enable_logging()",
    "INSTALL httpfs",
    "LOAD httpfs",
    "ATTACH '{other}/x.db'",
    "DETACH memory",
    "USE memory",
    "CHECKPOINT",
    "VACUUM",
    "COPY events TO '{folder}/x.csv'",
    "COPY (SELECT 1) TO '{folder}/x.parquet'",
    "COPY events FROM '{folder}/old.parquet'",
    "EXPORT DATABASE '{folder}/x'",
    "IMPORT DATABASE '{folder}/x'",
    # To the database these are SELECTs.
    "WITH a AS (COPY events TO '{folder}/x.csv') SELECT * FROM a",
    "WITH a AS (INSERT INTO events VALUES (1) RETURNING *) SELECT * FROM a",
    "WITH a AS (UPDATE events SET type = 'x' RETURNING *) SELECT * FROM a",
    "WITH a AS (DELETE FROM events RETURNING *) SELECT * FROM a",
    "SHOW DATABASES",
    "SHOW VARIABLES",
    "SHOW ALL TABLES",
    "FROM read_csv('/etc/passwd')",
    "FROM read_csv_auto('/etc/passwd')",
    "FROM read_text('/etc/passwd')",
    "FROM read_text('{folder}/notes.txt')",
    "FROM read_blob('{folder}/notes.txt')",
    "FROM read_json('{folder}/notes.txt')",
    "FROM read_parquet('{folder}/old.parquet')",
    "FROM parquet_scan('{folder}/old.parquet')",
    "FROM parquet_metadata('{folder}/old.parquet')",
    "FROM '{folder}/old.parquet'",
    "FROM '{folder}/*.parquet'",
    "FROM '/etc/passwd'",
    "FROM 'https://example.com/x.parquet'",
    "FROM glob('{folder}/*')",
    "FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM events WHERE text IN (SELECT content FROM read_text('{folder}/notes.txt'))",
    "DESCRIBE SELECT * FROM read_parquet('{folder}/old.parquet')",
    "SUMMARIZE '{folder}/old.parquet'",
    "DESCRIBE '{folder}/old.parquet'",
    # A name of the query's own stands for a file only outside of the query that it names.
    'FROM (WITH "{folder}/old.parquet" AS (SELECT 1) SELECT 2), "{folder}/old.parquet"',
    # A name of the query's own would otherwise stand for what the database has by this name.
    "WITH sqlite_master AS (FROM sqlite_master) FROM sqlite_master",
    "WITH DuckDB_Views AS (FROM duckdb_views) FROM duckdb_views",
    "FROM (WITH pg_settings AS (SELECT 1) SELECT 2), pg_settings",
    "FROM query('SELECT 1')",
    "FROM query_table('events')",
    "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "FROM duckdb_settings()",
    "FROM duckdb_secrets()",
    "FROM duckdb_views()",
    "FROM duckdb_logs()",
    "FROM which_secret('s3://x', 's3')",
    "FROM information_schema.tables",
    "FROM pg_catalog.pg_views",
    "FROM sqlite_master",
    "FROM duckdb_views",
    "SELECT current_setting('allowed_directories')",
    "SELECT system.main.current_setting('temp_directory')",
    "SELECT getenv('HOME')",
    "SELECT 'HOME'.getenv()",
    "SELECT getvariable('a')",
    "SELECT write_log('x')",
    "SELECT pg_get_viewdef(range) FROM range(30000)",
    "SELECT pg_catalog.pg_get_viewdef(1)",
    "SELECT sleep_ms(1000)",
    "SELECT json_serialize_plan('SELECT * FROM events')",
    "SELECT * FROM engine",
    "SELECT * FROM nothing",
]


@pytest.mark.parametrize("query", REFUSED)
def test_everything_else_is_refused(engine: Engine, folder: Path, query: str):
    before = {path: path.read_bytes() for path in folder.parent.rglob("*.*")}

    with pytest.raises((Refused, duckdb.Error)) as refused:
        run(engine, query.format(folder=folder, other=folder.parent))

    assert SECRET not in str(refused.value)
    assert {path: path.read_bytes() for path in folder.parent.rglob("*.*")} == before


def test_no_table_function_of_the_database_reads_anything_but_its_arguments(engine: Engine):
    known = duckdb.execute(
        "SELECT DISTINCT function_name FROM duckdb_functions()"
        " WHERE function_type IN ('table', 'table_macro', 'pragma')"
    ).fetchall()
    others = {name for (name,) in known} - TABLE_FUNCTIONS
    assert len(others) > 80

    for name in others:
        with pytest.raises(Refused):
            run(engine, f"FROM {name}('x')")


def test_no_query_can_name_a_view_of_the_database_itself(engine: Engine):
    known = duckdb.execute(
        "SELECT DISTINCT view_name FROM duckdb_views()"
        " WHERE internal AND schema_name != 'information_schema'"
    ).fetchall()
    assert len(known) > 30

    for (name,) in known:
        with pytest.raises(Refused):
            run(engine, f"WITH {name} AS (FROM {name}) FROM {name}")


def test_no_macro_of_the_database_reads_how_it_is_set_up(engine: Engine):
    known = duckdb.execute(
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'macro'"
        " AND regexp_matches(macro_definition, '(duckdb|pragma)_[a-z_]+\\(')"
    ).fetchall()
    # Of types alone.
    others = {name for (name,) in known} - {"format_type"}
    assert len(others) > 2

    for name in others:
        with pytest.raises(Refused):
            run(engine, f"SELECT {name}(1)")


def test_what_could_not_be_refused_reads_nothing_outside_of_the_folder(engine: Engine):
    # The second door: the database is locked, whatever the check of queries has let through.
    database = engine._database
    for statement in (
        "FROM read_csv('/etc/passwd')",
        "FROM read_text('/proc/self/environ')",
        "FROM glob('/etc/*')",
        "ATTACH '/tmp/x.db'",
        "COPY (SELECT 1) TO '/tmp/x.csv'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET allowed_directories = ['/']",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "RESET memory_limit",
        "SET threads = 8",
        "SELECT * FROM engine",
    ):
        with pytest.raises(duckdb.Error):
            database.execute(statement).fetchall()


def test_parameters_are_values_and_no_text_of_the_query(engine: Engine):
    answer = run(engine, "SELECT ?::VARCHAR AS a, $2 + 1 AS b", "'; DROP VIEW events; --", 41)

    assert b'["\'; DROP VIEW events; --",42]' in answer


def test_a_mistake_is_explained_in_the_words_of_the_database(engine: Engine):
    for query, words in (
        ("SELEC 1", "syntax error"),
        ("SELECT nope FROM turns", "nope"),
        ("SELECT nope(1)", "does not exist"),
        ("SELECT 'a'::INT", "Could not convert"),
    ):
        with pytest.raises((Refused, duckdb.Error), match=words):
            run(engine, query)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT " + "(" * 20_000 + "1" + ")" * 20_000,
        "SELECT " + "-" * 5_000 + "1",
        "SELECT " + "1 + " * 16_000 + "1",
        "SELECT " + "abs(" * 3_000 + "1" + ")" * 3_000,
        "SELECT " + "[" * 3_000 + "]" * 3_000,
        "SELECT * FROM " + "(SELECT * FROM " * 800 + "turns" + ")" * 800,
    ],
    ids=["parentheses", "signs", "sums", "functions", "lists", "queries"],
)
def test_a_query_that_is_nested_too_deeply_is_refused(engine: Engine, query: str):
    with pytest.raises((Refused, duckdb.Error)):
        run(engine, query)
    assert b"[[1]]" in run(engine, "SELECT 1")


def test_the_views_are_what_can_be_named(engine: Engine):
    assert all(f'["{name}"]'.encode() in run(engine, "SHOW TABLES") for name in NAMES)
