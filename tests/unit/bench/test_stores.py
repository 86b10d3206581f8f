"""The targets of PostgreSQL, compared with DuckDB, and of DuckDB, with an earlier version."""

from bench.cluster.stores import CLIENTS, DUCKDB, POSTGRESQL, Loaded, Loads, report


def loads(turns_per_s: float, first_event_ms: float) -> Loads:
    loaded = Loaded([turns_per_s], [first_event_ms], [first_event_ms], [5.0])
    return dict.fromkeys(CLIENTS, loaded)


def test_postgresql_may_be_slower_and_duckdb_may_not() -> None:
    found = report({DUCKDB: loads(100, 5), POSTGRESQL: loads(70, 11), "earlier": loads(120, 5)})

    assert [(target.what, target.value, target.reached) for target in found.targets[::6]] == [
        ("share of turns/s, 1 clients, PostgreSQL against DuckDB", 0.7, True),
        ("share of turns/s, 1 clients, DuckDB against earlier", 0.83, False),
    ]
    assert [(target.value, target.reached) for target in found.targets[1::6]] == [
        (2.2, False),
        (1.0, True),
    ]
    assert found.rows[0][:3] == ("1", "DuckDB", "100.0")
    assert len(found.rows) == 3 * len(CLIENTS)
