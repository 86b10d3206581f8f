"""The processes that Ray starts next to its GCS and raylet: which, and on which ports.

``ray.init`` has no arguments for this. Each of these processes costs a start about a second of
CPU, and memory while the server runs, so those that would do nothing are left out. If a release of
Ray has moved the patched code, the server still starts, and logs what is lost.
"""

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import structlog

from actors.clusters.ports import free_ports

PORTS = ("dashboard_agent_listen_port", "runtime_env_agent_port")
NOBODY = b"127.0.0.1:1"

log = structlog.get_logger(__name__)


@contextmanager
def companions(*, dashboard: bool) -> Generator[None]:
    """Start Ray in this block with those companions that it needs, on ports of their own.

    Two agents get their ports here. The dashboard's agent would have the same port for every
    server on the machine, and try for seconds to get it. The raylet waits for the other to choose
    one, and aborts after 15 s.

    The log monitor is left out, since it collects what the driver prints, which is nothing here.
    Without the dashboard, Ray would still start its process, to send usage statistics, and an
    autoscaler, which reports to the dashboard and has no nodes to add.

    Args:
        dashboard: Whether the dashboard is wanted.
    """
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    with (
        _parameters({**ports, "include_log_monitor": False, "no_monitor": not dashboard}),
        _dashboard(wanted=dashboard),
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
def _dashboard(*, wanted: bool) -> Generator[None]:
    """Keep Ray from starting the dashboard's process."""
    node: Any = import_module("ray._private.node").Node
    original = getattr(node, "start_api_server", None)
    if wanted or original is None:
        if original is None:
            log.warning("Ray starts its dashboard's process: it has no start_api_server any more")
        yield
        return

    def name_nobody(self: Any, **_: Any) -> None:
        # Ray's agents would ask for the dashboard's address every second until there is one.
        self.get_gcs_client().internal_kv_put(b"dashboard", NOBODY, True, b"dashboard")

    node.start_api_server = name_nobody
    try:
        yield
    finally:
        node.start_api_server = original
