"""The processes that Ray starts next to its GCS and raylet: which ones, and on which ports.

``ray.init`` has no arguments for this. Each of these processes costs a start about a second of
CPU, and memory while the server runs, so those that would do nothing are left out, and nothing
waits for the others. If a release of Ray has moved the patched code, the server still starts, and
logs what is lost.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import structlog

from actors.clusters.ports import free_ports

LISTEN_PORT = "dashboard_agent_listen_port"
PORTS: tuple[str, ...] = (
    LISTEN_PORT,
    "metrics_agent_port",
    "metrics_export_port",
    "runtime_env_agent_port",
)
NOBODY = b"127.0.0.1:1"

log = structlog.get_logger(__name__)


@contextmanager
def companions(*, dashboard: bool) -> Generator[None]:
    """Start Ray in this block with those companions that it needs, on ports of their own.

    Two agents get their ports here. The dashboard's agent would have the same port for every
    server on the machine, and try for seconds to get it. If an agent chose a port itself, the
    raylet, and with it the whole start, would wait until it has: for seconds, and on a slow disk
    for so long that Ray gives up.

    The log monitor is left out, since it collects what the driver prints, which is nothing here.
    Without the dashboard, Ray would still start its process, to send usage statistics, and an
    autoscaler, which reports to the dashboard and has no nodes to add.

    Args:
        dashboard: Whether the dashboard is started with Ray.
    """
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    with (
        _parameters({**ports, "include_log_monitor": False, "no_monitor": not dashboard}),
        _head_node(ports, dashboard=dashboard),
    ):
        yield


@contextmanager
def _parameters(ours: dict[str, Any]) -> Generator[None]:
    """Add parameters to those with which ``ray.init`` starts a node."""
    parameters: Any = import_module("ray._private.parameter")
    original = getattr(parameters, "RayParams", None)
    if original is None:
        log.warning("Ray chooses its agents and their ports: it has no RayParams any more")
        yield
        return

    def with_ours(**given: Any) -> Any:
        return original(**{**given, **ours})

    parameters.RayParams = with_ours
    try:
        yield
    finally:
        parameters.RayParams = original


@contextmanager
def _head_node(ports: Mapping[str, int], *, dashboard: bool) -> Generator[None]:
    """Change the step between the starts of the GCS and the raylet, which starts the dashboard."""
    node: Any = import_module("ray._private.node").Node
    original = getattr(node, "start_api_server", None)
    if original is None:
        log.warning("Ray starts its dashboard's process: it has no start_api_server any more")
        yield
        return

    def start_api_server(self: Any, **how: Any) -> None:
        _note_listen_port(self, ports[LISTEN_PORT])
        if dashboard:
            original(self, **how)
        else:
            # Ray's agents would ask for the dashboard's address every second until there is one.
            self.get_gcs_client().internal_kv_put(b"dashboard", NOBODY, True, b"dashboard")

    node.start_api_server = start_api_server
    try:
        yield
    finally:
        node.start_api_server = original


def _note_listen_port(node: Any, port: int) -> None:
    """Write the file that the raylet waits for; the agent will write the same.

    Ray gives the raylet the other ports as arguments.
    """
    raylet: Any = import_module("ray._raylet")
    persist = getattr(raylet, "persist_port", None)
    if persist is None:
        log.warning("Ray waits for its agent: it has no persist_port any more")
        return
    persist(node.get_session_dir_path(), node.node_id, LISTEN_PORT, port)
