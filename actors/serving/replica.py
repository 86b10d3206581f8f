"""Changes to Serve that an API replica needs and that have no setting or hook.

Both functions patch Serve in this process alone. If a release of Ray has moved the patched code,
the replica still serves and logs what is lost.
"""

import asyncio
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

import ray
import structlog

from everruns.log import error_kind

log = structlog.get_logger(__name__)


def when_draining(end: Callable[[], None]) -> None:
    """Call a function when Serve starts to stop the replica in this process.

    Serve ends an application's lifespan after the last request, and an event stream is a request
    that lasts. So the application has to learn of the stop before Serve begins to wait.

    Args:
        end: Called on the event loop that runs now, which is the application's own.
    """
    loop = asyncio.get_running_loop()
    try:
        from ray.serve._private.replica import Replica  # noqa: PLC0415

        shut_down = Replica.perform_graceful_shutdown
    except (ImportError, AttributeError) as error:
        log.warning("streams will be cut when this replica stops", error=error_kind(error))
        return

    @wraps(shut_down)
    async def end_and_shut_down(self: Any) -> None:
        loop.call_soon_threadsafe(end)
        await shut_down(self)

    Replica.perform_graceful_shutdown = end_and_shut_down


def listen_on_the_nodes_address_only() -> None:
    """Bind the replica's port for other deployments to its node's address.

    Serve binds it on every interface, and tells others the node's address. Call this before Serve
    binds it, which it does once the application is loaded.
    """
    try:
        replica: Any = import_module("ray.serve._private.replica")
        add_port = replica.add_port_to_grpc_server
    except (ImportError, AttributeError) as error:
        log.warning("the replica's internal port is on every interface", error=error_kind(error))
        return
    address: str = ray.util.get_node_ip_address()
    host = f"[{address}]" if ":" in address else address

    @wraps(add_port)
    def add_port_there(server: Any, anywhere: str) -> int:
        return add_port(server, f"{host}:{anywhere.rpartition(':')[2]}")

    replica.add_port_to_grpc_server = add_port_there
