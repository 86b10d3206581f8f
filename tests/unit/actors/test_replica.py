"""What a replica changes of Serve's, and what happens where Serve has changed."""

import asyncio
import sys
from types import ModuleType
from typing import Any

import pytest
from structlog.testing import capture_logs

from actors.serving.replica import listen_on_the_nodes_address_only, when_draining

SERVES = "ray.serve._private.replica"


@pytest.mark.parametrize("change", [None, ModuleType(SERVES)], ids=["moved", "renamed"])
async def test_a_release_of_ray_without_the_method_still_serves_and_the_log_says_what_is_lost(
    change: ModuleType | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, SERVES, change)

    with capture_logs() as logs:
        when_draining(lambda: None)
        listen_on_the_nodes_address_only()

    assert [entry["event"] for entry in logs] == [
        "streams will be cut when this replica stops",
        "the replica's internal port is on every interface",
    ]


async def test_the_application_learns_of_the_stop_before_serve_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[str] = []

    class Replica:
        async def perform_graceful_shutdown(self) -> None:
            await asyncio.sleep(0)
            order.append("serve waits")

    module: Any = ModuleType(SERVES)
    module.Replica = Replica
    monkeypatch.setitem(sys.modules, SERVES, module)

    when_draining(lambda: order.append("application ends its streams"))
    await Replica().perform_graceful_shutdown()

    assert order == ["application ends its streams", "serve waits"]


async def test_the_internal_port_is_on_the_nodes_address(monkeypatch: pytest.MonkeyPatch) -> None:
    bound: list[str] = []
    module: Any = ModuleType(SERVES)
    module.add_port_to_grpc_server = lambda _server, address: bound.append(address)
    monkeypatch.setitem(sys.modules, SERVES, module)
    monkeypatch.setattr("ray.util.get_node_ip_address", lambda: "127.0.0.1")

    listen_on_the_nodes_address_only()
    module.add_port_to_grpc_server(None, "[::]:0")

    assert bound == ["127.0.0.1:0"]
