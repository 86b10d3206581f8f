"""A server in the foreground: starts or joins Ray, deploys the application, stays until stopped."""

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import psutil
import ray
import structlog
from ray import serve

import serve_app
from actors.cluster import NAMESPACE, remote_registry
from actors.ports import check_port_free, free_port
from actors.runtime import ensure_registry
from everruns.errors import Unavailable
from everruns.settings import Settings
from everruns.storage.lock import lock_data_directory

APPLICATION = "everruns"
OBJECT_STORE_BYTES = 256 * 1024 * 1024
READY_TIMEOUT_S = 120.0
READY_POLL_S = 0.1
READY_POLL_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 4.0
PROCESS_END_TIMEOUT_S = 3.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Addresses:
    """Where a server is reached.

    Attributes:
        api: The HTTP API's base URL.
        dashboard: The Ray dashboard's URL, if it was started here.
    """

    api: str
    dashboard: str | None


def run_server(
    settings: Settings, report: Callable[[str], None], ready: Callable[[Addresses], None]
) -> None:
    """Serve until SIGINT or SIGTERM, then stop everything that was started.

    Args:
        settings: The deployment's settings. The environment was prepared for them (see
            ``actors.ray_environment``) before this module was imported.
        report: Shows a line of progress.
        ready: Called once, when requests are answered.

    Raises:
        Unavailable: The data directory or a port is taken, or the cluster did not come up.
    """
    port = settings.port or free_port()
    check_port_free(settings.host, port)
    address = f"http://{_url_host(settings.host)}:{port}"
    with lock_data_directory(settings.data_dir, address):
        try:
            report("Starting Ray" if settings.ray_address is None else "Joining Ray")
            dashboard = _join(settings) if settings.ray_address else _start(settings)
            # Only now: starting Ray sets handlers of its own.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.default_int_handler)
            # First, so that it comes up while Serve does.
            ensure_registry(settings.public())
            report("Starting the API")
            # What Serve tells of its own start would stand between our lines.
            logging.getLogger("ray.serve").setLevel(logging.WARNING)
            serve.start(http_options={"host": settings.host, "port": port})
            serve.run(serve_app.app(settings.public()), name=APPLICATION, route_prefix="/")
            _wait_until_ready(address)
            ready(Addresses(address, dashboard))
            threading.Event().wait()
        except KeyboardInterrupt:
            report("Stopping")
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            _close_registry()
            if settings.ray_address:
                _leave()
            else:
                _stop()


def _start(settings: Settings) -> str | None:
    """Start a cluster on this machine; return its dashboard's URL."""
    context = ray.init(
        "local",
        namespace=NAMESPACE,
        include_dashboard=settings.dashboard,
        dashboard_host="127.0.0.1",
        dashboard_port=_dashboard_port(settings),
        object_store_memory=OBJECT_STORE_BYTES,
        log_to_driver=False,
        logging_level=logging.WARNING,
    )
    return f"http://{context.dashboard_url}" if context.dashboard_url else None


def _stop() -> None:
    """End the cluster that was started here, to its last process."""
    started = psutil.Process().children(recursive=True)
    ray.shutdown()
    _, alive = psutil.wait_procs(started, timeout=PROCESS_END_TIMEOUT_S)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _join(settings: Settings) -> None:
    """Join the cluster that the settings name, with whatever authentication it has."""
    ray.init(settings.ray_address, namespace=NAMESPACE, logging_level=logging.WARNING)


def _leave() -> None:
    """Take the application and its actors off the cluster."""
    serve.delete(APPLICATION)
    named: list[Any] = ray.util.list_named_actors(all_namespaces=True)
    for actor in named:
        if actor["namespace"] == NAMESPACE:
            ray.kill(ray.get_actor(actor["name"], namespace=NAMESPACE), no_restart=True)
    ray.shutdown()


def _wait_until_ready(address: str) -> None:
    """Return when the API answers through its whole path.

    Raises:
        Unavailable: It does not.
    """
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            if httpx.get(f"{address}/ready", timeout=READY_POLL_TIMEOUT_S).is_success:
                return
        time.sleep(READY_POLL_S)
    raise Unavailable("The API did not become ready. Ray's logs under /tmp/ray say why.")


def _close_registry() -> None:
    """Let the registry write everything out; what it cannot in time, the next start repairs."""

    async def close() -> None:
        await asyncio.wait_for(remote_registry().close(), CLOSE_TIMEOUT_S)

    if ray.is_initialized():
        try:
            asyncio.run(close())
        except (ValueError, Unavailable, TimeoutError) as error:
            log.warning("registry not closed", error=str(error))


def _dashboard_port(settings: Settings) -> int:
    try:
        check_port_free("127.0.0.1", settings.dashboard_port)
    except Unavailable:
        return free_port()
    return settings.dashboard_port or free_port()


def _url_host(host: str) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104
    return f"[{reachable}]" if ":" in reachable and "[" not in reachable else reachable
