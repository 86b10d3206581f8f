"""Starting Ray on this machine or joining a cluster; every failure becomes one sentence."""

import logging
import signal
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import psutil
import ray
import structlog

from actors.clusters.companions import companions
from actors.clusters.dashboard import offer_dashboard
from actors.clusters.errors import first_sentence
from actors.clusters.folder import ray_folder, remove_old_sessions
from actors.clusters.ports import dashboard_port
from actors.names import NAMESPACE
from actors.processes import is_alive, send_signal, wait
from everruns.errors import Unavailable
from everruns.log import error_kind
from everruns.settings import Settings

OBJECT_STORE_BYTES = 256 * 1024 * 1024
START_ATTEMPTS = 3
# Ray's switch for what its driver prints.
PRINTS = "_worker_logs_enabled"
PROCESS_END_TIMEOUT_S = 2.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Cluster:
    """The cluster that this process has joined.

    Attributes:
        dashboard: The Ray dashboard's URL, if it was started here.
        logs: The folder of Ray's logs on this machine.
    """

    dashboard: str | None
    logs: str


def start_ray(settings: Settings) -> Cluster:
    """Start a cluster on this machine.

    Raises:
        Unavailable: Ray did not start.
    """
    remove_old_sessions(settings.data_dir)
    attempt = 1
    while True:
        try:
            return _cluster(_init(settings))
        except Exception as error:  # Ray's start raises any class, including the bare Exception.
            log.info("Ray did not start", attempt=attempt, error=error_kind(error))
            stop_ray()
            # The usual cause is a busy machine: Ray has timeouts that cannot be raised.
            if isinstance(error, OSError) or attempt == START_ATTEMPTS:
                logs = ray_folder(settings.data_dir) / "ray" / "session_latest" / "logs"
                raise Unavailable(
                    f"Ray did not start: {first_sentence(error)} Its logs are in {logs}. If the "
                    "machine is short of memory, disk or CPU time, free some and start again."
                ) from error
        attempt += 1


def _init(settings: Settings) -> Any:
    has_dashboard = settings.dashboard == "on"
    with companions(dashboard=has_dashboard):
        context: Any = ray.init(
            "local",
            namespace=NAMESPACE,
            include_dashboard=has_dashboard,
            dashboard_host="127.0.0.1",
            dashboard_port=dashboard_port(settings.dashboard_port),
            object_store_memory=OBJECT_STORE_BYTES,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
        )
    if settings.dashboard == "on_demand":
        offer_dashboard(context.address_info)
    return context


def stop_ray() -> None:
    """End the cluster that was started here, to its last process."""
    started = psutil.Process().children(recursive=True)
    ray.shutdown()
    wait(lambda: not any(map(is_alive, started)), PROCESS_END_TIMEOUT_S)
    for process in started:
        send_signal(process, signal.SIGKILL)


def join_ray(address: str) -> Cluster:
    """Join a cluster with its own authentication.

    Raises:
        Unavailable: It cannot be joined.
    """
    try:
        context: Any = ray.init(
            address,
            namespace=NAMESPACE,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
        )
    except Exception as error:  # Ray has no common base class for these errors.
        raise Unavailable(
            f"Cannot join the Ray cluster at {address}: {first_sentence(error)} "
            "Check --ray-address, and that RAY_AUTH_MODE, RAY_AUTH_TOKEN_PATH and RAY_USE_TLS are "
            "those of the cluster."
        ) from error
    return replace(_cluster(context), dashboard=None)


def _cluster(context: Any) -> Cluster:
    _print_nothing()
    url = context.dashboard_url
    logs = f"{context.address_info['session_dir']}/logs"
    return Cluster(f"http://{url}" if url else None, logs)


def _print_nothing() -> None:
    """Keep Ray from printing what befalls nodes and workers; its logs have it.

    ``log_to_driver`` does not cover this. The last lines of a lost raylet's log are among it.
    """
    worker: Any = import_module("ray._private.worker")
    if hasattr(worker, PRINTS):
        setattr(worker, PRINTS, False)
    else:
        log.warning("Ray prints what befalls its nodes: it has no switch for this any more")
