"""The application on Ray Serve, from outside: deploying it, and ending its requests.

Importing this module takes two seconds, nearly all of them for Serve.
"""

import logging
import signal

import psutil
from ray import serve
from ray.serve._private.constants import RAY_SERVE_ENABLE_HA_PROXY
from ray.serve.exceptions import RayServeException

import serve_app
from actors.front import front_folder
from actors.front_pages import write_pages
from actors.processes import is_alive, wait
from everruns.settings import Settings

APPLICATION = "everruns"
# The whole stop must take less than ten seconds; this is the requests' share.
REQUESTS_TIMEOUT_S = 3.0


def deploy(settings: Settings, port: int) -> None:
    """Start Serve, unless it runs, and the application on it; return when it is up.

    Args:
        settings: The deployment's settings.
        port: Where HTTP is taken.
    """
    # Serve's own start-up messages would mix with our lines.
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    host = settings.host
    folder = front_folder()
    if settings.ray_address is None and RAY_SERVE_ENABLE_HA_PROXY and folder is not None:
        write_pages(folder)
        # HAProxy listens at the configured address, and everything behind it on loopback.
        host = "127.0.0.1"
    serve.start(http_options={"host": host, "port": port})
    serve.run(serve_app.app(settings.public()), name=APPLICATION, route_prefix="/")


def end_requests() -> None:
    """Accept no more connections, end streams, and let requests finish."""
    balancers = [
        process
        for process in psutil.Process().children(recursive=True)
        if process.name() == "haproxy"
    ]
    for process in balancers:
        # The signal that makes HAProxy stop listening and end with its last connection.
        process.send_signal(signal.SIGUSR1)
    try:
        serve.delete(APPLICATION, _blocking=False)
    except RayServeException:
        return  # Stopped before Serve was up.
    if balancers:
        wait(lambda: not any(map(is_alive, balancers)), REQUESTS_TIMEOUT_S)
    else:
        wait(is_deleted, REQUESTS_TIMEOUT_S)


def is_deleted() -> bool:
    """Tell whether Serve has taken the application off the cluster."""
    return APPLICATION not in serve.status().applications
