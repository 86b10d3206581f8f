"""Starting Ray on this machine, or joining a cluster; whatever is wrong is one sentence."""

import logging
import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import psutil
import ray
import structlog

from actors.cluster import NAMESPACE
from actors.ports import check_port_free, free_port
from actors.processes import is_alive
from actors.ray_folder import ray_folder, remove_old_sessions
from everruns.errors import Unavailable
from everruns.settings import Settings

# Ray's own, where it looks for the next free port if it is taken.
DEFAULT_DASHBOARD_PORT = 8265
OBJECT_STORE_BYTES = 256 * 1024 * 1024
NODE_TIMEOUT_S = 150.0
NODE_POLL_S = 0.2

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is on.

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
    logs = ray_folder(settings.data_dir) / "ray" / "session_latest" / "logs"
    try:
        with _patient_with_the_node():
            context: Any = ray.init(
                "local",
                namespace=NAMESPACE,
                include_dashboard=settings.dashboard,
                dashboard_host="127.0.0.1",
                dashboard_port=_dashboard_port(settings),
                object_store_memory=OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.WARNING,
            )
    except Exception as error:  # Ray's start fails with any, the bare class too.
        raise Unavailable(
            f"Ray did not start: {_first_sentence(error)} Its logs are in {logs}. On a machine "
            "that is short of memory, disk or CPU time, free some and start again."
        ) from error
    return _cluster(context)


def join_ray(settings: Settings) -> Cluster:
    """Join the cluster that the settings name, with whatever authentication it has.

    Raises:
        Unavailable: It does not answer or does not let us in.
    """
    try:
        context: Any = ray.init(
            settings.ray_address,
            namespace=NAMESPACE,
            log_to_driver=False,
            logging_level=logging.WARNING,
        )
    except Exception as error:  # Ray has no common class for what can be wrong here.
        raise Unavailable(
            f"Cannot join the Ray cluster at {settings.ray_address}: {_first_sentence(error)} "
            "Check --ray-address, that a node of the cluster runs on this machine, and that "
            "RAY_AUTH_MODE, RAY_AUTH_TOKEN_PATH and RAY_USE_TLS are those of the cluster."
        ) from error
    return replace(_cluster(context), dashboard=None)


def _cluster(context: Any) -> Cluster:
    url = context.dashboard_url
    logs = f"{context.address_info['session_dir']}/logs"
    return Cluster(f"http://{url}" if url else None, logs)


def _first_sentence(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    sentence = re.split(r"(?<=[.!?]) ", text, maxsplit=1)[0]
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


@contextmanager
def _patient_with_the_node() -> Generator[None]:
    """Wait longer for the node than the 30 s that Ray waits, as long as its raylet lives.

    Half a minute is too short for a busy machine, and Ray has no setting for it.
    """
    services: Any = import_module("ray._private.services")
    get_node = getattr(services, "get_node", None)
    if get_node is None:
        log.warning("Ray's start has half a minute: it has no get_node any more")
        yield
        return
    deadline = time.monotonic() + NODE_TIMEOUT_S

    def get_node_patiently(*args: Any, **kwargs: Any) -> Any:
        while True:
            try:
                return get_node(*args, **kwargs)
            except RuntimeError:
                if time.monotonic() > deadline or not _raylet_lives():
                    raise
            time.sleep(NODE_POLL_S)

    services.get_node = get_node_patiently
    try:
        yield
    finally:
        services.get_node = get_node


def _raylet_lives() -> bool:
    return any(
        child.name() == "raylet" and is_alive(child) for child in psutil.Process().children()
    )


def _dashboard_port(settings: Settings) -> int | None:
    """Return a port for the dashboard; none where Ray is to take its own or the next free one.

    Ray itself finds the next one, so that servers which start together do not collide.
    """
    if settings.dashboard_port == DEFAULT_DASHBOARD_PORT:
        return None
    try:
        check_port_free("127.0.0.1", settings.dashboard_port)
    except Unavailable:
        return free_port()
    return settings.dashboard_port or free_port()
