"""The API in a Ray actor of its own, which serves HTTP without Ray Serve."""

import asyncio
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
import structlog

from actors.names import API, MAX_CONCURRENCY, describe_actor, detached

if TYPE_CHECKING:
    from fastapi import FastAPI
    from uvicorn import Server

# Longer than HAProxy keeps a connection that it does not use, so that none is closed while a
# request is on its way.
KEEP_ALIVE_S = 90
# Connections that arrive at once; the system lowers it to its own bound.
BACKLOG = 16_384
START_RETRY_S = 1.0

log = structlog.get_logger(__name__)


class ApiActor:
    """One process that serves HTTP on loopback, behind HAProxy.

    It keeps nothing that the next one would need, and Ray restarts it when it dies.

    Args:
        settings: The deployment's settings, without secrets.
        port: The port on loopback.
        pages: The folder into which HAProxy's own responses are written.
    """

    def __init__(self, settings: dict[str, Any], port: int, pages: Path) -> None:
        self._settings = settings
        self._port = port
        self._pages = pages
        self._application: FastAPI | None = None
        self._started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._serving = asyncio.ensure_future(self._serve())

    async def _serve(self) -> None:
        """Serve, and end the process if that fails, so that Ray starts the next one."""
        try:
            listener = socket.create_server(("127.0.0.1", self._port), backlog=BACKLOG)
            server = self._make_server()
        except Exception as error:
            log.exception("API not started")
            self._started.set_exception(error)
            await asyncio.sleep(START_RETRY_S)
            os._exit(1)
        self._started.set_result(None)
        await server.serve([listener])
        log.error("API has ended")
        os._exit(1)

    def _make_server(self) -> "Server":
        # Here and not above, where the process that starts this one would import it all.
        import uvicorn  # noqa: PLC0415

        from actors.serving.api import build_api  # noqa: PLC0415
        from actors.serving.front_pages import write_pages  # noqa: PLC0415

        self._application = build_api(self._settings, API)
        write_pages(self._pages)
        config = uvicorn.Config(
            self._application,
            http="httptools",
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            access_log=False,
            log_config=None,
        )
        return uvicorn.Server(config)

    @ray.method
    async def started(self) -> None:
        """Return when HTTP is served; raise why it is not."""
        await asyncio.shield(self._started)

    @ray.method
    async def end_streams(self) -> None:
        """Ask the reader of every stream, now and later, to connect anew."""
        from everruns.api.app import end_streams  # noqa: PLC0415

        if self._application is not None:
            end_streams(self._application)

    def __repr__(self) -> str:
        return describe_actor("API: HTTP and event streams")


def start_api(settings: dict[str, Any], port: int, pages: Path) -> Any:
    """Return the actor, which begins to start; see ``ApiActor``."""
    actor = detached(ApiActor, API, max_restarts=-1, max_concurrency=MAX_CONCURRENCY)
    return actor.remote(settings, port, pages)
