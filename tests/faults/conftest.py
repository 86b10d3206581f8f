"""One server for all tests here; those that end everything start it again."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

# Before they are imported, so that a check that fails tells what differs.
pytest.register_assert_rewrite("tests.faults.checks", "tests.faults.broken_wire")

from actors.processes import wait  # noqa: E402
from bench.cluster.running import running_cluster  # noqa: E402
from bench.cluster.supply import Scaling  # noqa: E402
from tests.faults.cluster import ClusterService  # noqa: E402
from tests.faults.model import ModelServer  # noqa: E402
from tests.faults.plugin import write_package  # noqa: E402
from tests.faults.processes import Role, Service  # noqa: E402
from tests.faults.report import REPORT  # noqa: E402
from tests.faults.talk import World, cluster_of  # noqa: E402

# Ray spreads them by chance, and every node should have some.
SESSION_ACTORS = 6
SESSION_ACTORS_WITHIN_S = 120.0
# So few that a test can fill a node.
SESSIONS_PER_ACTOR = 40


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The server under test, the model it asks, and the tools it runs."""
    folder = tmp_path_factory.mktemp("faults")
    with ModelServer().running() as model:
        environment = {
            **write_package(folder / "package", model.tools_url),
            "EVERRUNS_DATA_DIR": str(folder / "data"),
            "EVERRUNS_DASHBOARD": "false",
            # Small enough to be filled.
            "EVERRUNS_SESSIONS_PER_ACTOR": "128",
            "EVERRUNS_ALLOW_PRIVATE_ADDRESSES": "true",
        }
        service = Service(environment)
        service.start()
        try:
            yield World(service, model)
        finally:
            service.stop()


@contextmanager
def cluster_world(nodes: int, **options: Any) -> Iterator[World]:
    """Start a cluster, and a model and tools that its nodes reach."""
    with ExitStack() as stack:
        models: list[ModelServer] = []

        def surroundings(folder: Path, gateway: str) -> Mapping[str, str]:
            models.append(stack.enter_context(ModelServer(gateway).running()))
            return write_package(folder / "package", models[0].tools_url)

        with running_cluster(nodes, environment=surroundings, **options) as cluster:
            yield World(ClusterService(cluster), models[0])


@pytest.fixture(scope="session")
def nodes() -> Iterator[World]:
    """Three nodes, a model and tools that they reach."""
    settings = {"warm_session_actors": SESSION_ACTORS, "allow_private_addresses": True}
    with cluster_world(3, settings=settings) as world:
        service = cluster_of(world)
        wait(
            lambda: len(service.processes(Role.SESSION_ACTOR)) >= SESSION_ACTORS,
            SESSION_ACTORS_WITHIN_S,
        )
        yield world


@pytest.fixture
def growing() -> Iterator[World]:
    """One node, to which Ray's autoscaler adds others, a model and tools that they reach."""
    settings = {
        "warm_session_actors": 1,
        "sessions_per_actor": SESSIONS_PER_ACTOR,
        "hibernate_after_s": 5,
        "allow_private_addresses": True,
    }
    with cluster_world(1, cpus=1, scaling=Scaling(most=2), settings=settings) as world:
        yield world


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the faults of this run came to."""
    for line in REPORT.lines():
        terminalreporter.write_line(line)
