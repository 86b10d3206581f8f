"""Starting the application on a cluster: first the registry, then the API."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import ray
from ray.exceptions import GetTimeoutError, RayError

from actors.calls.direct import hang_up
from actors.clusters.errors import last_line
from actors.registry import ensure_registry
from actors.serving.place import Place
from actors.serving.ways import load_serving
from actors.stubs import remote_registry
from everruns.errors import EverrunsError, HostLost, InvalidRequest, StoreUnavailable, Unavailable
from everruns.settings import Settings

READY_TIMEOUT_S = 120.0
POLL_S = 0.1
READY_POLL_TIMEOUT_S = 5.0
CHECK_EVERY_S = 1.0
NO_KEEP_ALIVE = httpx.Limits(max_keepalive_connections=0)
STREAM = {"accept": "text/event-stream"}
# A server that was killed may hold the database for a moment longer.
HOPELESS_AFTER_S = 5.0


def start_application(settings: Settings, place: Place, report: Callable[[str], None]) -> Place:
    """Start the registry and the API; return when both answer.

    Args:
        settings: The deployment's settings.
        place: Where Ray runs, and nothing of an earlier server is left.
        report: Shows that a phase begins.

    Returns:
        The place, with what there is to note about the application.

    Raises:
        EverrunsError: One of them does not come up. The message has the cause and where the logs
            are.
    """
    settings = settings.model_copy(update={"host": place.host})
    try:
        report("Starting the registry")
        # First, so that it comes up while what serves the API does.
        registry = ensure_registry(settings.public())
        serving = load_serving(settings)
        check = serving.start(settings, place.host, place.port)
        unloadable = _wait_for_registry(registry)
        report("Starting the API")
        serving.deploy(settings)
        _wait_until_ready(place.address, check)
    except Unavailable as error:
        raise Unavailable(
            f"{error.message.removesuffix('.')}. Ray's logs are in {place.logs}."
        ) from error
    return replace(place, notes=(*place.notes, *map(_unloadable, unloadable)))


def _unloadable(capability: str) -> str:
    return f"A capability package could not be loaded: {capability}"


def _wait_for_registry(registry: Any) -> tuple[str, ...]:
    """Wait until the registry has opened the database, which shows what is wrong with that at once.

    Returns:
        The installed capabilities that could not be loaded, each with the reason.

    Raises:
        EverrunsError: The registry does not start, or cannot open the database.
    """
    try:
        ray.get(registry.data_dir.remote(), timeout=READY_TIMEOUT_S)
    except (RayError, GetTimeoutError) as error:
        raise Unavailable(f"The registry did not start: {last_line(error)}") from error

    async def ask() -> tuple[str, ...]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + HOPELESS_AFTER_S
        try:
            while True:
                try:
                    return await remote_registry().list_unloadable_capabilities()
                except (StoreUnavailable, InvalidRequest, HostLost):
                    if loop.time() > deadline:
                        raise
                await asyncio.sleep(POLL_S)
        finally:
            await hang_up()

    return asyncio.run(ask())


def _wait_until_ready(address: str, check: Callable[[], None]) -> None:
    """Wait until the API answers through its whole path.

    Args:
        address: Its base URL.
        check: Raises an error if the API will not become ready any more.

    Raises:
        Unavailable: The API does not become ready. The message gives the cause, if known.
    """
    deadline = time.monotonic() + READY_TIMEOUT_S
    check_at = time.monotonic() + CHECK_EVERY_S
    # Making a client takes 40 ms of CPU, so one asks all the time: over a new connection each time,
    # as users will, and never through a proxy, whatever the environment names.
    with httpx.Client(
        base_url=address, timeout=READY_POLL_TIMEOUT_S, limits=NO_KEEP_ALIVE, trust_env=False
    ) as client:
        while (problem := _problem(client)) is not None:
            now = time.monotonic()
            if now > deadline:
                raise Unavailable(f"The API did not become ready: {problem.message}")
            if now > check_at:
                check()
                check_at = now + CHECK_EVERY_S
            time.sleep(POLL_S)


def _problem(client: httpx.Client) -> EverrunsError | None:
    """Return why the API is not ready."""
    try:
        # HAProxy passes a request like a stream's only to replicas, while others reach Serve's own
        # proxy before it knows of any.
        answer = client.get("/ready", headers=STREAM)
        if answer.is_success:
            return None
        error = answer.json()["error"]
        return EverrunsError(error["message"], error["code"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return Unavailable("The API does not answer yet.")
