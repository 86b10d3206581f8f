"""A node: Ray on a machine, started as the document on operations says."""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.cluster.machines import Machine

ROOT = Path(__file__).parents[2]
COMMANDS = Path(sys.executable).parent
START_TIMEOUT_S = 240.0
# Ray waits half a minute, which is little on a busy machine.
RAYLET_TIMEOUT_S = 100
OBJECT_STORE_BYTES = 100_000_000
# How long a node waits for a head that has gone; Ray's default of a minute would end it.
HEAD_AWAY_S = 600


class FailedCommandError(Exception):
    """A command on a node failed; the message is what it printed."""


class Node:
    """One node of a cluster; the first is its head.

    Args:
        machine: What it runs on.
        head: The machine of the head node.
        environment: Variables of all its processes.
        cpus: How many CPUs Ray takes the machine to have.
        options: Further ones of ``ray start``.
    """

    def __init__(
        self,
        machine: Machine,
        head: Machine,
        environment: Mapping[str, str],
        cpus: int,
        options: Sequence[str] = (),
    ) -> None:
        self.machine = machine
        self._head = head
        self._cpus = cpus
        self._options = options
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RAY_", "EVERRUNS_"))
        }
        self.environment = {
            **inherited,
            **ray_environment(machine),
            **machine.variables(),
            **environment,
        }

    @property
    def is_head(self) -> bool:
        """Whether the registry's database and Ray's GCS are here."""
        return self.machine is self._head

    @property
    def address(self) -> str:
        """The API's base URL at this node."""
        return f"http://{self.machine.ip}:{self.machine.port}"

    def start(self) -> None:
        """Switch the machine on and start Ray.

        Raises:
            FailedCommandError: Ray does not start.
        """
        self.machine.on()
        where = [f"--address={self.gcs}"]
        if self.is_head:
            where = ["--head", f"--port={self.machine.gcs_port}"]
            where += ["--include-dashboard=false"]
        self.run(
            "ray", "start", *where,
            f"--node-ip-address={self.machine.ip}",
            f"--num-cpus={self._cpus}",
            f"--object-store-memory={OBJECT_STORE_BYTES}",
            *self.machine.ray_options(),
            *self._options,
        )  # fmt: skip

    def kill(self) -> None:
        """Kill everything on this node at once, as a power cut does."""
        self.machine.off()

    def run(self, *command: str, timeout_s: float = START_TIMEOUT_S) -> str:
        """Run a command on this node to its end; return what it printed.

        Raises:
            FailedCommandError: It failed, or did not end in time.
        """
        # To a file: what it leaves running would keep a pipe open.
        printed = self.machine.folder / "printed"
        try:
            with printed.open("w") as output:
                status = subprocess.run(
                    self.machine.words(*command),
                    cwd="/",
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=timeout_s,
                    check=False,
                ).returncode
        except subprocess.TimeoutExpired:
            status = f"not ended after {timeout_s:.0f} s"
        if status != 0:
            told = printed.read_text()
            raise FailedCommandError(
                f"{self.machine.name}: {shlex.join(command)}: {status}: {told}"
            )
        return printed.read_text()

    @property
    def gcs(self) -> str:
        """``HOST:PORT`` of the cluster's GCS."""
        return f"{self._head.ip}:{self._head.gcs_port}"


def ray_environment(machine: Machine) -> dict[str, str]:
    """Return the variables of a node, as the document on operations has them."""
    tmp = machine.tmp
    return {
        "PATH": f"{COMMANDS}:{os.environ['PATH']}",
        "HOME": str(tmp),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "PYTHONSAFEPATH": "1",
        "RAY_AUTH_MODE": "token",
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(COMMANDS / "everruns-haproxy"),
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
        # The head keeps what it knows of the cluster on its disk, and the others wait for it.
        "RAY_gcs_storage": "rocksdb",
        "RAY_gcs_storage_path": str(tmp / "gcs"),
        "RAY_gcs_rpc_server_reconnect_timeout_s": str(HEAD_AWAY_S),
        # Ray starts what was on a dead node elsewhere only once it knows.
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_timeout_ms": "4000",
        "RAY_health_check_failure_threshold": "3",
        # The memory and the time of this computer are other programs' too.
        "RAY_raylet_start_wait_time_s": str(RAYLET_TIMEOUT_S),
        "RAY_memory_monitor_refresh_ms": "0",
        "RAY_worker_niceness": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "EVERRUNS_DATA_DIR": str(tmp / "data"),
    }
