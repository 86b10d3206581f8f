"""The whole server, as ``everruns serve`` runs it, in processes of its own."""

from collections.abc import Iterator

import httpx
import pytest

from bench.server import Server, running_server
from tests.aimock import AimockServer


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One server for all tests here: it takes seconds to start."""
    with running_server(
        EVERRUNS_DASHBOARD="false", EVERRUNS_ALLOW_PRIVATE_ADDRESSES="true"
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
