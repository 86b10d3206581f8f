"""Nodes as plain processes of this computer, where there can be no namespaces.

They share its network, its files and its process ids. Their ports and folders are kept apart by the
environment, and they are found by a mark in it, so a program that is killed leaves them running.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

import psutil

from actors.clusters.ports import free_ports
from bench.cluster.machines import NotPossibleHereError, wait_until_stopped

MARK = "CLUSTER_NODE"
LOOPBACK = "127.0.0.1"
REPLICA_PORTS = 20
OPTIONS = (
    "dashboard-port",
    "ray-client-server-port",
    "dashboard-agent-listen-port",
    "runtime-env-agent-port",
    "metrics-export-port",
)
ANY_WORKER_PORT = ("--min-worker-port=0", "--max-worker-port=0")
VARIABLES = (
    "AUTOSCALER_METRIC_PORT",
    "DASHBOARD_METRIC_PORT",
    "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT",
    "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT",
)
END_TIMEOUT_S = 20.0
NO_NETWORK = "Only root can give nodes a network of their own, which this takes."


class PlainMachine:
    """Processes that share a mark; see ``Machine``.

    Args:
        name: Its name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.ip = LOOPBACK
        self._mark = f"{name}-{uuid4().hex}"
        # The paths of sockets below it may have 107 bytes.
        self.folder = self.tmp = Path(mkdtemp(prefix="er-", dir="/tmp"))
        (self.folder / "haproxy").mkdir()
        ports = iter(free_ports(2 + len(OPTIONS) + len(VARIABLES) + REPLICA_PORTS))
        self.port, self.gcs_port = next(ports), next(ports)
        self._options = {name: next(ports) for name in OPTIONS}
        self._variables = {name: str(next(ports)) for name in VARIABLES}
        self._replicas = list(ports)

    def on(self) -> None:
        """Do nothing: it is this computer."""

    def off(self) -> None:
        """Kill all its processes; see ``Machine.off``."""
        # What dies last may have started another.
        while running := self.processes():
            for process in running:
                process.kill()
            psutil.wait_procs(running, END_TIMEOUT_S)

    def words(self, *command: str) -> list[str]:
        """Return the command itself."""
        return list(command)

    def variables(self) -> Mapping[str, str]:
        """Return its mark, its folders and its ports."""
        haproxy = self.folder / "haproxy"
        return {
            **self._variables,
            MARK: self._mark,
            # Ray's agents would write their title over the environment.
            "SPT_NOENV": "1",
            "RAY_SERVE_WORKER_PROXY_HTTP_PORT": str(self.port),
            "RAY_SERVE_HAPROXY_SOCKET_PATH": str(haproxy / "admin.sock"),
            "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(haproxy / "metrics.sock"),
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(haproxy / "haproxy.cfg"),
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(haproxy),
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(haproxy / "server-state"),
            "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(min(self._replicas)),
            "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(max(self._replicas)),
        }

    def ray_options(self) -> list[str]:
        """Return its folder and its ports."""
        ports = [f"--{name}={port}" for name, port in self._options.items()]
        return [*ports, f"--temp-dir={self.folder}/ray", *ANY_WORKER_PORT]

    def processes(self) -> list[psutil.Process]:
        """Return the processes with its mark."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self._mark:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
                continue
        return found

    def cut(self) -> None:
        """Refuse; see ``Machine.cut``."""
        raise NotPossibleHereError(NO_NETWORK)

    def mend(self) -> None:
        """Refuse, as nothing can be cut."""
        raise NotPossibleHereError(NO_NETWORK)

    def slow(self, delay_ms: float) -> None:
        """Refuse; see ``Machine.slow``."""
        raise NotPossibleHereError(f"Packets cannot be {delay_ms} ms late. {NO_NETWORK}")

    def pause(self) -> None:
        """Stop all its processes where they stand; return when they do."""
        processes = self.processes()
        for process in processes:
            process.suspend()
        wait_until_stopped(processes)

    def resume(self) -> None:
        """Let them go on."""
        for process in self.processes():
            process.resume()
