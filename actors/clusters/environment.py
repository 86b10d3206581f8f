"""The environment variables of a cluster that this server starts.

Ray and Ray Serve read these settings only from the environment, at import, in each process. They
keep the cluster's doors closed (loopback, TLS, a token, a private folder) and let several servers
run on one machine (ports that no other server takes).
"""

from actors.clusters.credentials import cluster_credentials
from actors.clusters.folder import ray_folder
from actors.clusters.intervals import INTERVALS
from actors.clusters.ports import free_port, free_ports
from actors.serving.front import front_environment
from actors.serving.leftovers import MARK, mark
from everruns.domain.base import KIB
from everruns.process_environment import (
    bypass_proxies_on_loopback,
    set_environment,
    take_environment,
)
from everruns.settings import Settings
from everruns.storage.data_directory.lock import make_data_directory

LOG_FILES = 4


def prepare_environment(settings: Settings) -> None:
    """Set the environment of the cluster before it is started, unless one is joined.

    Raises:
        StoreUnavailable: The data directory cannot be used.
        Unavailable: The cluster's private folder cannot be made, or its ports cannot be found.
    """
    bypass_proxies_on_loopback()
    if settings.ray_address is not None:
        return
    make_data_directory(settings.data_dir)
    autoscaler_port, dashboard_port = free_ports(2)
    variables = {
        **access_environment(settings),
        # It would kill this server's actors when any program uses up the machine's memory.
        "RAY_memory_monitor_refresh_ms": "0",
        # Ray's default of 15 would let any other program on the machine slow the server down.
        "RAY_worker_niceness": "0",
        # glibc raises this threshold when large blocks are freed, and then takes them from a heap
        # that does not shrink: a session actor that has held a thousand large messages would stay
        # twice as large as it needs to be.
        "MALLOC_MMAP_THRESHOLD_": str(256 * KIB),
        # Otherwise glibc gives threads heaps of their own, up to 8 per CPU, and what is freed in
        # one is not used by the others. That costs 5 to 10 MB per process, and gains nothing, since
        # Python runs one thread at a time.
        "MALLOC_ARENA_MAX": "1",
        # Without these, what a process writes would never be cut off.
        "RAY_ROTATION_MAX_BYTES": str(settings.max_log_bytes // LOG_FILES),
        "RAY_ROTATION_BACKUP_COUNT": str(LOG_FILES - 1),
        "AUTOSCALER_METRIC_PORT": str(autoscaler_port),
        "DASHBOARD_METRIC_PORT": str(dashboard_port),
        # Serve kills a proxy that is not up by then, and its start fails; on a busy machine its
        # default of 5 s passes.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
        # The same for the dashboard and the raylet's agents.
        "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "120",
        "RAY_agent_register_timeout_ms": "120000",
        # Ray would start two workers before anything else, and this process would wait for both of
        # them: for ever, if one took longer than the time in which workers must be up.
        "RAY_prestart_worker_first_driver": "0",
        # After a minute, Ray's default, it would begin again with a worker that is only slow.
        "RAY_worker_register_timeout_seconds": "300",
        # The application never blocks its event loop, so it can have the replica's own: a request
        # costs a tenth less than with a thread apart.
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
        **INTERVALS,
        **front_environment(settings),
    }
    # Do not inherit it from another server whose process starts this one.
    take_environment(MARK)
    # A dozen processes would compile all that they import, at every start: half of its CPU time.
    take_environment("PYTHONDONTWRITEBYTECODE")
    set_environment(variables)


def prepare_dashboard_environment(settings: Settings) -> None:
    """Set the environment of the dashboard that is started for a running server's cluster.

    Raises:
        StoreUnavailable: The data directory cannot be used.
        Unavailable: The cluster's private folder cannot be used, or there is no free port.
    """
    bypass_proxies_on_loopback()
    take_environment(MARK)
    set_environment(
        {
            **access_environment(settings),
            "DASHBOARD_METRIC_PORT": str(free_port()),
            "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "120",
        }
    )


def access_environment(settings: Settings) -> dict[str, str]:
    """Return the variables of every process on the cluster that a server starts.

    Raises:
        OSError: The credentials can be neither read nor written.
        Unavailable: The cluster's private folder cannot be made.
    """
    return {
        "RAY_USAGE_STATS_ENABLED": "0",
        # Ray gives a node the machine's address, and listens on all of them, unless it takes the
        # system for one that cannot form a cluster. Then all of it stays on loopback.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        **cluster_credentials(settings.data_dir),
        "RAY_TMPDIR": str(ray_folder(settings.data_dir)),
        # Ray starts processes with `python -c`, which would import modules from the working
        # folder before those of the standard library.
        "PYTHONSAFEPATH": "1",
        **mark(settings.data_dir),
    }
