"""The API without Ray Serve: one actor that serves it, and HAProxy in front, started here.

HAProxy has the same configuration as in front of Serve's replicas, except that it waits for the one
process that it knows instead of checking it.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError

from actors.clusters.errors import last_line
from actors.clusters.ports import free_port
from actors.names import API, find_actor
from actors.serving.api_actor import start_api
from actors.serving.front import (
    MISSING,
    find_binary,
    front_of,
    make_folder,
    max_connections,
    thread_count,
)
from actors.serving.front_process import FrontProcess
from actors.serving.front_program import SILENCE, Backend, Front, render_whole
from actors.serving.ways import REQUESTS_TIMEOUT_S
from everruns.errors import Unavailable
from everruns.settings import Settings

START_TIMEOUT_S = 120.0
# HAProxy waits a second before each. A request that finds no API process waits for the next one as
# long as one that finds no registry.
CONNECTION_RETRIES = 15


class DirectServing:
    """The API of this process's server."""

    def __init__(self) -> None:
        self._front: FrontProcess | None = None
        self._started: Any = None

    def start(self, settings: Settings, host: str, port: int) -> Callable[[], None]:
        """Start the API's process, and prepare what will be in front of it.

        Args:
            settings: The deployment's settings.
            host: The address on which HTTP is taken.
            port: The port there.

        Returns:
            A check that does nothing, since ``deploy`` waits until the API is up.

        Raises:
            Unavailable: There is no HAProxy for this platform, or Ray does not start the process.
        """
        binary = find_binary()
        if binary is None:
            raise Unavailable(f"{MISSING} Set serving to serve, which can do without.")
        api_port, folder = free_port(), make_folder(settings)
        try:
            # Asked at once, so that the process can tell why it fails.
            self._started = start_api(settings.public(), api_port, folder).started.remote()
        except (RayError, ValueError) as error:
            raise Unavailable(f"The API did not start: {last_line(error)}") from error
        configuration = folder / "haproxy.cfg"
        front = front_of(folder, binary, settings, host)
        configuration.write_text(direct_configuration(front, host, port, api_port))
        self._front = FrontProcess(binary, configuration, port)
        return lambda: None

    def deploy(self, _: Settings) -> None:
        """Return when the API is up and HAProxy listens. Until then the port refuses connections.

        Raises:
            Unavailable: One of them does not start. The message has the reason.
        """
        try:
            ray.get(self._started, timeout=START_TIMEOUT_S)
        except (RayError, GetTimeoutError) as error:
            raise Unavailable(f"The API did not start: {last_line(error)}") from error
        if self._front is not None:
            self._front.start()

    def end_requests(self) -> None:
        """Accept no more connections, end streams, and let requests finish."""
        if self._front is None:
            return  # Stopped before it was started.
        self._front.refuse()
        with suppress(ValueError, RayError, GetTimeoutError):  # It is being restarted.
            ray.get(find_actor(API).end_streams.remote(), timeout=REQUESTS_TIMEOUT_S)
        self._front.end(REQUESTS_TIMEOUT_S)

    def abandon(self) -> None:
        """Start nothing again, because everything is about to be killed."""
        if self._front is not None:
            self._front.abandon()


def direct_configuration(front: Front, host: str, port: int, api_port: int) -> str:
    """Return the configuration of HAProxy in front of one API process.

    Args:
        front: The server's settings.
        host: Where HAProxy listens.
        port: The port there.
        api_port: Where the API listens on loopback.
    """
    global_lines = (
        f"maxconn {max_connections()}",
        f"nbthread {thread_count()}",
        f"stats socket {Path(front.pages) / 'admin.sock'} mode 600 level admin",
    )
    checks = (f"retries {CONNECTION_RETRIES}",)
    servers = (f"server api 127.0.0.1:{api_port} {SILENCE}",)
    return render_whole(
        global_lines, front, host, port, Backend("api", checks, servers, checks, servers)
    )


DIRECT = DirectServing()
