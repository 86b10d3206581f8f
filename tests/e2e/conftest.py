"""The whole server, as ``everruns serve`` runs it, in processes of its own."""

from collections.abc import Iterator

import httpx
import pytest

from actors.clusters.ports import free_port
from bench.server import Server
from tests.aimock import AimockServer
from tests.servers import small_server

DRAINING_S = 2


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One server for all tests here; ``test_violent_ends``, which comes last, ends it by force."""
    with small_server(EVERRUNS_ALLOW_PRIVATE_ADDRESSES="true") as server:
        yield server


@pytest.fixture(scope="session")
def dashboard_port() -> int:
    """Where the dashboard of the server with two replicas is."""
    return free_port()


@pytest.fixture(scope="session")
def replicated(dashboard_port: int) -> Iterator[Server]:
    """A server with two replicas and API keys; the last test of ``test_graceful_motion`` stops it.

    Files that use it have names which come before that one.
    """
    with small_server(
        EVERRUNS_AUTH="api_keys",
        EVERRUNS_REPLICAS="2",
        EVERRUNS_DASHBOARD="true",
        EVERRUNS_DASHBOARD_PORT=str(dashboard_port),
        RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S=str(DRAINING_S),
    ) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.address, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def model_server() -> Iterator[AimockServer]:
    """A fake model server that speaks the vendors' wires."""
    with AimockServer.started() as server:
        yield server
