"""The whole server, as ``everruns serve`` runs it, in processes of its own."""

from collections.abc import Iterator

import httpx
import pytest

from actors.clusters.ports import free_port
from bench.server import Server
from tests.aimock import AimockServer
from tests.e2e.surroundings import Surroundings, ill_surroundings
from tests.servers import small_server
from tests.side_by_side import started_once

DRAINING_S = 2


@pytest.fixture(scope="session")
def dashboard_port() -> int:
    """Where the dashboard of the server with two replicas is."""
    return free_port()


@pytest.fixture(scope="session")
def desk_port() -> int:
    """Where the support desk may be, whose pages call the server with two replicas."""
    return free_port()


@pytest.fixture(scope="session")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Surroundings:
    """Where the server with two replicas is started."""
    return started_once.start(ill_surroundings(tmp_path_factory.mktemp("traps")))


@pytest.fixture(scope="session")
def replicated(dashboard_port: int, desk_port: int, surroundings: Surroundings) -> Server:
    """A server with two replicas and API keys; the last test of the files that use it stops it.

    It serves the examples' pages, and is started where nothing may be trusted.
    """
    server = small_server(
        folder=surroundings.folder,
        EVERRUNS_AUTH="api_keys",
        EVERRUNS_REPLICAS="2",
        EVERRUNS_DASHBOARD="true",
        EVERRUNS_DASHBOARD_PORT=str(dashboard_port),
        EVERRUNS_ALLOWED_ORIGINS=f"http://127.0.0.1:{desk_port}",
        RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S=str(DRAINING_S),
        **surroundings.environment,
    )
    return started_once.start(server)


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.address, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def model_server() -> Iterator[AimockServer]:
    """A fake model server that speaks the vendors' wires."""
    with AimockServer.started() as server:
        yield server
