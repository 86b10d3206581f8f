"""A server in the foreground: starts or joins Ray, deploys the application, runs until stopped."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from threading import Event, Thread
from typing import Any

import httpx
import ray
from ray.exceptions import GetTimeoutError, RayError

from actors.calls import socket_files
from actors.calls.direct import hang_up
from actors.calls.registry_stub import withdraw
from actors.clusters.errors import last_line
from actors.clusters.joined import JoinedCluster
from actors.clusters.own import OwnCluster
from actors.registry import ensure_registry
from actors.serving.place import Cluster, Place, address_of
from actors.serving.ways import load_serving
from actors.stubs import remote_registry
from everruns.errors import EverrunsError, HostLost, InvalidRequest, StoreUnavailable, Unavailable
from everruns.settings import Settings
from everruns.storage.data_directory.lock import lock_data_directory
from everruns.storage.data_directory.logs_link import link_logs

READY_TIMEOUT_S = 120.0
POLL_S = 0.1
READY_POLL_TIMEOUT_S = 5.0
CHECK_EVERY_S = 1.0
STREAM = {"accept": "text/event-stream"}
# A server that was killed may hold the database for a moment longer.
HOPELESS_AFTER_S = 5.0


def run_server(
    settings: Settings, report: Callable[[str], None], ready: Callable[[Place], None]
) -> None:
    """Serve until SIGINT or SIGTERM, then stop everything that was started.

    Args:
        settings: The deployment's settings. The environment was prepared for them (see
            ``actors.clusters.environment``) before this module was imported.
        report: Shows that a phase begins.
        ready: Called once, when requests are answered.

    Raises:
        EverrunsError: The data directory or a port is taken, or the cluster did not come up. The
            message says what to do.
    """
    address = address_of(settings.host, settings.port)
    with lock_data_directory(settings.data_dir, address) as name_holder:
        # Ray puts the working folder first on the search path of every process, so nobody else's
        # files may be in it.
        os.chdir(settings.data_dir)
        # Importing Serve takes two seconds, in which Ray starts.
        importing = Thread(target=load_serving, args=[settings])
        cluster: Cluster = (OwnCluster if settings.ray_address is None else JoinedCluster)(
            settings, report
        )
        try:
            cluster.check()
            importing.start()
            place = cluster.start()
            # Only now: starting Ray sets handlers of its own.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.default_int_handler)
            name_holder(place.address)
            link_logs(settings.data_dir, place.logs)
            ready(_serve(settings, place, report, importing))
            Event().wait()
        except (Exception, KeyboardInterrupt) as error:
            if problem := cluster.problem():
                raise problem from error
            if not isinstance(error, KeyboardInterrupt):
                raise
            report("Stopping")
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            if importing.ident is not None:
                importing.join()
            cluster.end()
            withdraw(settings.data_dir)
            socket_files.remove_left_behind()


def _serve(
    settings: Settings, place: Place, report: Callable[[str], None], importing: Thread
) -> Place:
    """Start the registry and the API; return when both answer, with what there is to note.

    Raises:
        EverrunsError: One of them does not come up. The message has the cause and where the logs
            are.
    """
    settings = settings.model_copy(update={"host": place.host})
    try:
        report("Starting the registry")
        # First, so that it comes up while what serves the API does.
        registry = ensure_registry(settings.public())
        importing.join()
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
    while (problem := _problem(address)) is not None:
        now = time.monotonic()
        if now > deadline:
            raise Unavailable(f"The API did not become ready: {problem.message}")
        if now > check_at:
            check()
            check_at = now + CHECK_EVERY_S
        time.sleep(POLL_S)


def _problem(address: str) -> EverrunsError | None:
    """Return why the API is not ready."""
    try:
        # Never through a proxy, whatever the environment names. HAProxy passes a request like a
        # stream's only to replicas, while others reach Serve's own proxy before it knows of any.
        answer = httpx.get(
            f"{address}/ready", headers=STREAM, timeout=READY_POLL_TIMEOUT_S, trust_env=False
        )
        if answer.is_success:
            return None
        error = answer.json()["error"]
        return EverrunsError(error["message"], error["code"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return Unavailable("The API does not answer yet.")
