"""The application on Ray Serve, from outside: deploying it, and ending its requests.

Importing this module takes two seconds, nearly all of them for Serve.
"""

import logging
import signal
from dataclasses import dataclass
from typing import Any

import ray
import structlog
from ray import serve
from ray.exceptions import RayError
from ray.serve._private.api import (
    _create_controller_and_proxy_refs,  # pyright: ignore[reportPrivateUsage] - see start_serve
)
from ray.serve._private.constants import RAY_SERVE_ENABLE_HA_PROXY, SERVE_NAMESPACE
from ray.serve.config import ControllerOptions
from ray.serve.context import (
    _get_global_client,  # pyright: ignore[reportPrivateUsage] - nothing public has the port
)
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus

import serve_app
from actors.clusters.errors import last_line
from actors.processes import is_alive, list_children, send_signal, wait
from actors.serving.ending import kill_actor, list_actors
from actors.serving.front import front_folder
from actors.serving.front_pages import write_pages
from actors.serving.ways import REQUESTS_TIMEOUT_S
from everruns.errors import Unavailable
from everruns.settings import Settings

APPLICATION = "everruns"
REPLICA = f"SERVE_REPLICA::{APPLICATION}#"
DELETED_TIMEOUT_S = 10.0

log = structlog.get_logger(__name__)

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


class Proxies:
    """Serve's proxies while they start.

    Args:
        starting: What each answers once it is up.
    """

    def __init__(self, starting: list[Any]) -> None:
        self._starting = starting

    def check(self) -> None:
        """Check that none has failed.

        Raises:
            Unavailable: One has. The message has the reason.
        """
        if not self._starting:
            return
        up, self._starting = ray.wait(self._starting, num_returns=len(self._starting), timeout=0)
        try:
            ray.get(up)
        except RayError as error:
            raise Unavailable(f"Ray Serve did not start: {last_line(error)}") from error


def start_serve(settings: Settings, host: str, port: int) -> Proxies:
    """Start Serve, unless it runs; return when it takes applications.

    Its proxies come up later. ``serve.start`` would wait for them, and the application with it.

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
    if _get_global_client(raise_if_no_controller_running=False) is not None:
        return Proxies([])
    options = {"host": host, "port": port}
    try:
        _, starting = _create_controller_and_proxy_refs(
            options, None, None, None, ControllerOptions()
        )
    except (RayError, RayServeException, TimeoutError) as error:
        raise Unavailable(f"Ray Serve did not start: {last_line(error)}") from error
    return Proxies(starting)


def deploy(settings: Settings) -> None:
    """Hand the application to Serve; ``check_deployed`` tells what becomes of it.

    Raises:
        Unavailable: Serve does not take it. The message has the reason.
    """
    target = serve.RunTarget(serve_app.app(settings.public()), APPLICATION, "/")
    try:
        # Serve itself would look once a second whether the application is up.
        serve.run_many(
            [target],
            wait_for_ingress_deployment_creation=False,
            wait_for_applications_running=False,
        )
    except TimeoutError:
        # Serve has taken it, and waits a minute for the proxies. They may take longer on a busy
        # machine, and are waited for with the application.
        log.info("Serve's proxies are slow to start")
    # Serve has no class of its own for an application that fails.
    except (RuntimeError, RayError, RayServeException) as error:
        raise Unavailable(f"The API did not start: {last_line(error)}") from error


def check_deployed(proxies: Proxies) -> None:
    """Check that Serve has not given up the application or a proxy.

    Raises:
        Unavailable: It has, or Serve does not answer. The message has the reason.
    """
    proxies.check()
    try:
        application = serve.status().applications.get(APPLICATION)
    except (RayError, RayServeException) as error:
        raise Unavailable(f"Ray Serve does not answer: {last_line(error)}") from error
    if application is not None and application.status == ApplicationStatus.DEPLOY_FAILED:
        # Of a replica that does not start, only its deployment says why.
        told = [deployment.message for deployment in application.deployments.values()]
        reason = next(filter(None, told), application.message)
        raise Unavailable(f"The API did not start: {last_line(reason)}")


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
