"""One server for all tests here; those that end everything start it again."""

from collections.abc import Iterator

import pytest

# Before they are imported, so that a check that fails tells what differs.
pytest.register_assert_rewrite("tests.faults.checks", "tests.faults.broken_wire")

from actors.processes import wait  # noqa: E402
from bench.postgres import PostgresServer  # noqa: E402
from tests.collector import Collector, collecting_in_background  # noqa: E402
from tests.faults.processes import Role  # noqa: E402
from tests.faults.report import REPORT  # noqa: E402
from tests.faults.slow_wire import SlowWire  # noqa: E402
from tests.faults.talk import World, cluster_of, cluster_world, running_world  # noqa: E402
from tests.side_by_side import started_once  # noqa: E402

# Ray spreads them by chance, and every node should have some.
SESSION_ACTORS = 6
SESSION_ACTORS_WITHIN_S = 120.0
# Two seconds, in the form of an address.
STATEMENT_TIMEOUT = "-c%20statement_timeout%3D2s"


@pytest.fixture(scope="session")
def collector() -> Collector:
    """What takes the traces of the server under test."""
    return started_once.start(collecting_in_background())


@pytest.fixture(scope="session")
def world(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The server under test, the model it asks, and the tools it runs."""
    settings = {
        # Small enough to be filled.
        "SESSIONS_PER_ACTOR": "128",
        "TRACE_ENDPOINT": collector.url,
    }
    return started_once.start(running_world(tmp_path_factory.mktemp("faults"), **settings))


@pytest.fixture(scope="session")
def database() -> PostgresServer:
    """PostgreSQL as it is deployed, with a count of the statements that it executes."""
    settings = {"shared_preload_libraries": "pg_stat_statements"}
    server = started_once.start(PostgresServer(durable=True, settings=settings))
    server.execute("CREATE EXTENSION pg_stat_statements")
    return server


@pytest.fixture(scope="session")
def database_name(database: PostgresServer) -> str:
    """The database of the server under test."""
    return database.create_database()


@pytest.fixture(scope="session")
def wire(database: PostgresServer) -> SlowWire:
    """What is between the server under test and PostgreSQL."""
    return started_once.start(SlowWire(database.socket).carrying())


@pytest.fixture(scope="session")
def world_on_postgres(
    wire: SlowWire, database_name: str, tmp_path_factory: pytest.TempPathFactory
) -> World:
    """A server under test that stores in PostgreSQL."""
    address = f"postgres@127.0.0.1:{wire.port}/{database_name}?options={STATEMENT_TIMEOUT}"
    folder = tmp_path_factory.mktemp("postgres")
    world = running_world(folder, DATABASE_URL=f"postgresql://{address}")
    return started_once.start(world)


@pytest.fixture(scope="session", params=["DuckDB", "PostgreSQL"])
def nodes(request: pytest.FixtureRequest) -> Iterator[World]:
    """Three nodes, what they store in, a model and tools that they reach."""
    settings = {"warm_session_actors": SESSION_ACTORS, "allow_private_addresses": True}
    is_shared = request.param == "PostgreSQL"
    with cluster_world(3, postgres=is_shared, settings=settings) as world:
        service = cluster_of(world)
        wait(
            lambda: len(service.processes(Role.SESSION_ACTOR)) >= SESSION_ACTORS,
            SESSION_ACTORS_WITHIN_S,
        )
        yield world


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the faults of this run came to."""
    for line in REPORT.lines():
        terminalreporter.write_line(line)
