"""The application on Ray Serve, from outside: deploying it, and ending its requests.

Importing this module takes two seconds, nearly all of them for Serve.
"""

import logging
import signal
from dataclasses import dataclass
from typing import Any

from ray import serve
from ray.exceptions import RayError
from ray.serve._private.constants import RAY_SERVE_ENABLE_HA_PROXY, SERVE_NAMESPACE
from ray.serve.context import (
    _get_global_client,  # pyright: ignore[reportPrivateUsage] - nothing public has the port
)
from ray.serve.exceptions import RayServeException

import serve_app
from actors.clusters.errors import last_line
from actors.processes import is_alive, list_children, send_signal, wait
from actors.serving.ending import kill_actor, list_actors
from actors.serving.front import front_folder
from actors.serving.front_pages import write_pages
from everruns.errors import Unavailable
from everruns.settings import Settings

APPLICATION = "everruns"
REPLICA = f"SERVE_REPLICA::{APPLICATION}#"
# The whole stop must take less than ten seconds; this is the requests' share.
REQUESTS_TIMEOUT_S = 3.0
DELETED_TIMEOUT_S = 10.0

# Serve's own messages would mix with our lines. Its errors reach the user as exceptions.
logging.getLogger("ray.serve").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class RunningServe:
    """Serve on a cluster, with other applications.

    Attributes:
        host: The address it listens on.
        port: Its port.
        applications: Their names.
    """

    host: str
    port: int
    applications: tuple[str, ...]


def start_serve(settings: Settings, host: str, port: int) -> None:
    """Start Serve, unless it runs.

    Args:
        settings: The deployment's settings.
        host: The address on which HTTP is taken.
        port: The port there.

    Raises:
        Unavailable: It does not start.
    """
    folder = front_folder()
    if settings.ray_address is None and RAY_SERVE_ENABLE_HA_PROXY and folder is not None:
        write_pages(folder)
        # HAProxy listens at the configured address, and everything behind it on loopback.
        host = "127.0.0.1"
    try:
        serve.start(http_options={"host": host, "port": port})
    except (RayError, RayServeException, TimeoutError) as error:
        raise Unavailable(f"Ray Serve did not start: {last_line(error)}") from error


def deploy(settings: Settings) -> None:
    """Start the application on Serve; return when it is up.

    Raises:
        Unavailable: It does not start. The message has the reason.
    """
    application = serve_app.app(settings.public())
    try:
        serve.run(application, name=APPLICATION, route_prefix="/")
    # Serve has no class of its own for an application that fails.
    except (RuntimeError, RayError, RayServeException, TimeoutError) as error:
        raise Unavailable(f"The API did not start: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return why the application failed; of a replica that does not start, only its status says."""
    application = serve.status().applications.get(APPLICATION)
    deployments = application.deployments.values() if application else ()
    told = [deployment.message for deployment in deployments if deployment.message]
    return last_line(told[0] if told else error)


def end_requests() -> None:
    """Accept no more connections, end streams, and let requests finish."""
    balancers = list_children({"haproxy"}, recursive=True)
    for process in balancers:
        # The signal that makes HAProxy stop listening and end with its last connection.
        send_signal(process, signal.SIGUSR1)
    try:
        serve.delete(APPLICATION, _blocking=False)
    except RayServeException:
        return  # Stopped before Serve was up.
    if balancers:
        wait(lambda: not any(map(is_alive, balancers)), REQUESTS_TIMEOUT_S)
    else:
        wait(lambda: not is_running(), REQUESTS_TIMEOUT_S)


def is_running() -> bool:
    """Tell whether the application is on the cluster."""
    return APPLICATION in serve.status().applications


def find_serve() -> RunningServe | None:
    """Return Serve, if it runs on the cluster."""
    client: Any = _get_global_client(raise_if_no_controller_running=False)
    if client is None:
        return None
    return RunningServe(client.http_config.host, client.http_config.port, _others())


def take_down() -> None:
    """End the deleted application's replicas, and Serve itself, unless others need it.

    Behind HAProxy, Serve would keep a replica for half a minute after its last request.
    """
    for name in list_actors(SERVE_NAMESPACE):
        if name.startswith(REPLICA):
            kill_actor(name, SERVE_NAMESPACE)
    if _others():
        wait(lambda: not is_running(), DELETED_TIMEOUT_S)
    else:
        serve.shutdown()


def _others() -> tuple[str, ...]:
    return tuple(sorted(name for name in serve.status().applications if name != APPLICATION))
