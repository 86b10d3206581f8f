"""A server in the foreground: starts or joins Ray, deploys the application, runs until stopped."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from threading import Event, Thread
from typing import Any

import httpx
import ray
import structlog
from ray.exceptions import RayError

from actors import socket_files
from actors.cluster import NAMESPACE, REGISTRY, SESSION_ACTOR, remote_host, remote_registry
from actors.direct import hang_up
from actors.leftovers import end_leftovers
from actors.ports import check_port_free, free_port
from actors.processes import wait
from actors.ray_start import join_ray, start_ray, stop_ray
from actors.ray_watch import RayWatch
from actors.remote_registry import withdraw
from actors.runtime import ensure_registry
from everruns.errors import EverrunsError, InvalidRequest, StoreUnavailable, Unavailable
from everruns.settings import Settings
from everruns.storage.lock import lock_data_directory

READY_TIMEOUT_S = 120.0
READY_POLL_S = 0.1
READY_POLL_TIMEOUT_S = 5.0
# A server that was killed may hold the database for a moment longer.
HOPELESS_AFTER_S = 5.0
HOPELESS_CODES = frozenset({StoreUnavailable.code, InvalidRequest.code})
# The whole stop must take less than ten seconds; Ray needs up to four of them for its own end.
HOSTS_TIMEOUT_S = 1.0
REGISTRY_TIMEOUT_S = 2.0
# Behind HAProxy, Serve keeps a replica for half a minute after its last request.
LEAVE_TIMEOUT_S = 60.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Addresses:
    """The addresses of a server.

    Attributes:
        api: The HTTP API's base URL.
        dashboard: The Ray dashboard's URL, if it was started here.
        logs: The folder of Ray's logs on this machine.
    """

    api: str
    dashboard: str | None
    logs: str


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
    address = f"http://{_url_host(settings.host)}:{port}"
    with lock_data_directory(settings.data_dir, address):
        if ended := end_leftovers(settings.data_dir):
            log.warning("ended processes of an earlier server", count=ended)
        check_port_free(settings.host, port)
        # Ray puts the working folder first on the search path of every process, so nobody else's
        # files may be in it.
        os.chdir(settings.data_dir)
        # Importing Serve takes two seconds, in which Ray starts.
        importing = Thread(target=import_module, args=["actors.application"])
        watch: RayWatch | None = None
        try:
            importing.start()
            report("Starting Ray" if settings.ray_address is None else "Joining Ray")
            cluster = (
                join_ray(settings.ray_address) if settings.ray_address else start_ray(settings)
            )
            # Only now: starting Ray sets handlers of its own.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.default_int_handler)
            if settings.ray_address is None:
                watch = RayWatch(cluster.logs)
                watch.start()
            # First, so that it comes up while Serve does.
            ensure_registry(settings.public())
            report("Starting the API")
            importing.join()
            from actors.application import deploy  # noqa: PLC0415

            deploy(settings, port)
            _wait_until_ready(address, cluster.logs)
            ready(Addresses(address, cluster.dashboard, cluster.logs))
            Event().wait()
        except (Exception, KeyboardInterrupt) as error:
            if watch is not None and (problem := watch.problem()):
                raise problem from error
            if not isinstance(error, KeyboardInterrupt):
                raise
            report("Stopping")
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            if watch is not None:
                watch.stop()
            importing.join()
            if watch is not None and watch.problem():
                # What is left of Ray would wait for what has gone, and be waited for.
                end_leftovers(settings.data_dir)
            else:
                _stop_application(settings)
            if settings.ray_address is None:
                stop_ray()
                end_leftovers(settings.data_dir)
            withdraw(settings.data_dir)
            socket_files.remove_left_behind()


def _stop_application(settings: Settings) -> None:
    """End requests, turns and the registry; take all of it off a cluster that was joined."""
    if not ray.is_initialized():
        return
    from actors.application import end_requests, is_deleted  # noqa: PLC0415

    end_requests()
    _close_actors()
    if settings.ray_address is not None:
        _leave(is_deleted)


def _leave(is_deleted: Callable[[], bool]) -> None:
    """Remove the actors from the cluster, and wait until the application is gone."""
    for name in _actors():
        ray.kill(ray.get_actor(name, namespace=NAMESPACE), no_restart=True)
    wait(is_deleted, LEAVE_TIMEOUT_S)
    ray.shutdown()


def _wait_until_ready(address: str, logs: str) -> None:
    """Wait until the API answers through its whole path.

    Raises:
        EverrunsError: The API does not become ready. The message gives the cause, if known.
    """
    deadline = time.monotonic() + READY_TIMEOUT_S
    hopeless_since: float | None = None
    while time.monotonic() < deadline:
        problem = _problem(address)
        if problem is None:
            return
        if problem.code not in HOPELESS_CODES:
            hopeless_since = None
        elif hopeless_since is None:
            hopeless_since = time.monotonic()
        elif time.monotonic() - hopeless_since > HOPELESS_AFTER_S:
            raise problem
        time.sleep(READY_POLL_S)
    raise Unavailable(f"The API did not become ready. Ray's logs in {logs} say why.")


def _problem(address: str) -> EverrunsError | None:
    """Return why the API is not ready."""
    try:
        # Never through a proxy, whatever the environment names.
        answer = httpx.get(f"{address}/ready", timeout=READY_POLL_TIMEOUT_S, trust_env=False)
        if answer.is_success:
            return None
        error = answer.json()["error"]
        return EverrunsError(error["message"], error["code"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return Unavailable("The API does not answer yet.")


def _close_actors() -> None:
    """Stop turns where they stand, and let the registry write everything out.

    The next start repairs what is not done in time.
    """

    async def close(name: str, find: Callable[[], Any], timeout_s: float) -> None:
        try:
            await asyncio.wait_for(find().close(), timeout_s)
        except StoreUnavailable:
            return  # It never opened anything that would have to be closed.
        except (ValueError, EverrunsError, RayError, TimeoutError) as error:
            log.warning("actor not closed", actor=name, error=repr(error))

    async def close_all(hosts: list[str]) -> None:
        closing = (close(name, partial(remote_host, name), HOSTS_TIMEOUT_S) for name in hosts)
        await asyncio.gather(*closing)
        await close(REGISTRY, remote_registry, REGISTRY_TIMEOUT_S)
        await hang_up()

    asyncio.run(close_all([name for name in _actors() if name.startswith(SESSION_ACTOR)]))


def _actors() -> list[str]:
    """Return the names of this application's actors."""
    named: list[Any] = ray.util.list_named_actors(all_namespaces=True)
    return [actor["name"] for actor in named if actor["namespace"] == NAMESPACE]


def _url_host(host: str) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104
    return f"[{reachable}]" if ":" in reachable and "[" not in reachable else reachable
