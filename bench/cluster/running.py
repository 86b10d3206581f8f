"""A cluster that runs for the length of a block, and of which nothing is left afterwards."""

import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import httpx
import yaml

from actors.clusters.ports import free_port
from bench.cluster.database import ClusterDatabase, cluster_database
from bench.cluster.machines import Machine, NotPossibleHereError
from bench.cluster.namespaces import NamespaceMachine, missing, own_network
from bench.cluster.nodes import ROOT, Node
from bench.cluster.plain import LOOPBACK, PlainMachine
from bench.cluster.quota import Quota
from bench.cluster.supply import Scaling, growing_nodes

FIRST_HOST = 11
READY_WITHIN_S = 120.0
ASK_AGAIN_S = 0.1
# Not below /tmp, which each machine has for itself.
FOLDERS = Path("/var/tmp")


class NotReadyError(Exception):
    """A cluster did not answer in time."""


@dataclass(frozen=True)
class Cluster:
    """A cluster with Everruns on it.

    Attributes:
        nodes: Its nodes as they are now; the first is the head.
        folder: Its own, at the same path on all of them.
        gateway: The address by which its nodes reach this computer.
        quotas: Of the nodes, if they have one.
        postgres: The database next to the nodes, if there is one.
    """

    nodes: list[Node]
    folder: Path
    gateway: str
    quotas: list[Quota]
    postgres: ClusterDatabase | None

    @property
    def head(self) -> Node:
        """The node with Ray's GCS."""
        return self.nodes[0]

    @property
    def address(self) -> str:
        """The API's base URL, at the head node."""
        return self.head.address

    def deploy(self, replicas: int, settings: Mapping[str, Any]) -> None:
        """Put Everruns on it, so that it stays when this command and the head have ended."""
        configuration: Any = yaml.safe_load((ROOT / "config/serve.yaml").read_text())
        open_network = {"host": "0.0.0.0", "allow_open_network": True}
        configuration["http_options"]["host"] = open_network["host"]
        configuration["http_options"]["port"] = self.head.machine.port
        (application,) = configuration["applications"]
        # A node has a proxy if it has a replica, and only then answers.
        spread = -(-replicas // len(self.nodes))
        application["deployments"] = [{"name": "api", "max_replicas_per_node": spread}]
        arguments = application["args"]
        arguments |= {**open_network, "replicas": replicas, **settings}
        file = self.folder / "serve.yaml"
        file.write_text(yaml.safe_dump(configuration))
        self.head.run("serve", "run", "--non-blocking", f"--address={self.head.gcs}", str(file))

    def wait_until_ready(self, *nodes: Node, within_s: float = READY_WITHIN_S) -> float:
        """Wait until the API answers at some nodes, or all; return how long that took.

        Raises:
            NotReadyError: It does not.
        """
        began = time.monotonic()
        for node in nodes or self.nodes:
            while not is_ready(node.address):
                if time.monotonic() - began > within_s:
                    raise NotReadyError(f"{node.machine.name} does not answer at {node.address}.")
                time.sleep(ASK_AGAIN_S)
        return time.monotonic() - began


def is_ready(address: str) -> bool:
    """Tell whether a server is ready."""
    try:
        return httpx.get(f"{address}/ready", timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False


@contextmanager
def running_cluster(
    nodes: int = 3,
    *,
    replicas: int | None = None,
    cpus: int = 2,
    quota: float | None = None,
    postgres: bool = False,
    scaling: Scaling | None = None,
    settings: Mapping[str, Any] | None = None,
    environment: Callable[[Path, str], Mapping[str, str]] | None = None,
) -> Generator[Cluster]:
    """Start a cluster with Everruns on it; end all of it afterwards.

    Args:
        nodes: How many, the head included.
        replicas: API processes; one a node unless given.
        cpus: How many CPUs Ray takes each node to have.
        quota: How much of a CPU each node may use once it is up; all there is unless given.
        postgres: Whether they keep everything in a PostgreSQL next to them, and not on the head.
        scaling: How Ray's autoscaler adds nodes and takes them away; then the head is the only one
            at first, and no node has a quota.
        settings: ``args`` of the application.
        environment: Returns variables of all processes on the nodes, given a folder that is the
            same on all of them, and the address by which they reach this computer.

    Raises:
        NotPossibleHereError: This computer lacks what it takes.
        FailedCommandError: Ray or the application does not start.
        NotReadyError: The API does not answer.
    """
    with ExitStack() as stack:
        folder = Path(mkdtemp(prefix="everruns-cluster-", dir=FOLDERS))
        stack.callback(rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        quotas: list[Quota] = []
        new_machine, gateway = _machines(stack, folder, quotas if quota is not None else None)
        variables = {"RAY_AUTH_TOKEN_PATH": str(_new_token(folder))}
        if environment is not None:
            variables |= environment(folder, gateway)
        database = None
        if postgres:
            database = stack.enter_context(cluster_database(gateway, free_port(), folder))
            variables["EVERRUNS_DATABASE_URL"] = database.url
            # The registry may begin on any node, and reads what an earlier one has encrypted.
            variables["EVERRUNS_ENCRYPTION_KEY"] = b64encode(secrets.token_bytes(32)).decode()
        if scaling is None:
            machines = [new_machine() for _ in range(nodes)]
            members = [Node(machine, machines[0], variables, cpus) for machine in machines]
        else:
            members = stack.enter_context(
                growing_nodes(scaling, folder, gateway, new_machine, variables, cpus)
            )
        cluster = Cluster(members, folder, gateway, quotas, database)
        for node in members:
            node.start()
        cluster.deploy(replicas or nodes, settings or {})
        cluster.wait_until_ready()
        # Only now: with a fraction of a CPU, a start takes minutes.
        for limited in quotas:
            limited.limit(quota or 0)
        yield cluster


def _machines(
    stack: ExitStack, folder: Path, quotas: list[Quota] | None
) -> tuple[Callable[[], Machine], str]:
    """Return what makes one more machine, and the address by which machines reach this computer.

    Args:
        stack: Ends what is made.
        folder: The cluster's.
        quotas: Takes the quota of each machine; without it, they have none.

    Raises:
        NotPossibleHereError: Machines cannot have a quota here.
    """
    numbers = count()
    if missing() is not None:
        if quotas is not None:
            raise NotPossibleHereError(f"Nodes cannot have a quota here: {missing()}.")

        def new_plain_machine() -> Machine:
            machine = PlainMachine(f"node-{next(numbers)}")
            stack.callback(rmtree, machine.folder, ignore_errors=True)
            stack.callback(machine.off)
            return machine

        return new_plain_machine, LOOPBACK

    network = stack.enter_context(own_network())

    def new_machine() -> Machine:
        number = next(numbers)
        name, quota = f"node-{number}", None
        if quotas is not None:
            quota = Quota(name)
            stack.callback(quota.remove)
            quotas.append(quota)
        machine = NamespaceMachine(name, FIRST_HOST + number, network, folder / name, quota)
        stack.callback(machine.off)
        return machine

    return new_machine, network.gateway


def _new_token(folder: Path) -> Path:
    """Make the token of a cluster; return its file."""
    file = folder / "ray_token"
    file.touch(mode=0o600)
    file.write_text(secrets.token_hex(32))
    return file
