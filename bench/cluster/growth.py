"""``make bench-cluster``: whether each further node adds as much as the first.

Every node has the same small share of a CPU, and what loads them has the rest, so that nodes on one
computer are as much slower than it as they are many.
"""

import argparse
import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil
from rich.console import Console

from bench.cluster.running import Cluster, running_cluster
from bench.limits.report import Report, Target, show, show_targets
from bench.load import Measured, make_agent, percentile, run_load

TOKENS = 20
CLIENTS_A_NODE = 8
WARM_UP_S = 10.0
RUN_S = 20.0
STANDBY_WITHIN_S = 120.0
LOOK_EVERY_S = 2.0
# The share of a core that registries without work stay below.
AT_REST = 0.05
QUOTA = 0.3
# Of what so many times the first node would do.
GROWTH = 0.9
# How much longer a send may take on several nodes than on one.
SLOWER = 1.5
REGISTRY = "ray::RegistryActor"
COLUMNS = ("Nodes", "Turns/s", "a node", "Send p50", "p99", "First event p50", "Registry a turn")

out = Console(width=120, highlight=False)


@dataclass(frozen=True)
class Size:
    """What a cluster of some size did.

    Attributes:
        nodes: How many.
        turns_per_s: In all.
        send_ms: What each send took.
        first_event_ms: From each send to the first event of its stream.
        registry_ms: The registry's CPU time a turn.
    """

    nodes: int
    turns_per_s: float
    send_ms: list[float]
    first_event_ms: list[float]
    registry_ms: float

    def row(self) -> list[str]:
        """Return the figures as they are printed."""
        return [
            str(self.nodes),
            f"{self.turns_per_s:.1f}",
            f"{self.turns_per_s / self.nodes:.1f}",
            f"{percentile(self.send_ms, 50):.1f} ms",
            f"{percentile(self.send_ms, 99):.1f} ms",
            f"{percentile(self.first_event_ms, 50):.1f} ms",
            f"{self.registry_ms:.2f} ms",
        ]


def measure(nodes: int, quota: float, *, postgres: bool) -> Size:
    """Load a cluster of some size."""
    with running_cluster(nodes, quota=quota, postgres=postgres) as cluster:
        agent_id = asyncio.run(make_agent(cluster.address, TOKENS))
        if postgres and nodes > 1:
            wait_for_standby(cluster)
        asyncio.run(load(cluster, agent_id, WARM_UP_S))
        before = registry_cpu_s(cluster)
        runs = asyncio.run(load(cluster, agent_id, RUN_S))
        turns = sum(len(run.turn_ms) for run in runs)
        return Size(
            nodes,
            sum(run.turns_per_s for run in runs),
            [took for run in runs for took in run.send_ms],
            [took for run in runs for took in run.first_event_ms],
            (registry_cpu_s(cluster) - before) * 1000 / turns,
        )


async def load(cluster: Cluster, agent_id: str, seconds: float) -> list[Measured]:
    """Load every node through its own proxy."""
    return await asyncio.gather(
        *(run_load(node.address, agent_id, CLIENTS_A_NODE, seconds) for node in cluster.nodes)
    )


def wait_for_standby(cluster: Cluster) -> None:
    """Return when a second registry stands by, whose start takes seconds of CPU.

    Raises:
        TimeoutError: None does in time.
    """
    deadline = time.monotonic() + STANDBY_WITHIN_S
    before = registries_cpu_s(cluster)
    while time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)
        now = registries_cpu_s(cluster)
        if len(now) > 1 and sum(now) - sum(before) < AT_REST * LOOK_EVERY_S:
            return
        before = now
    raise TimeoutError(f"No registry stands by after {STANDBY_WITHIN_S:.0f} s.")


def registry_cpu_s(cluster: Cluster) -> float:
    """Return the CPU seconds that the registry has used, and the one that stands by."""
    used_s = registries_cpu_s(cluster)
    if not used_s:
        raise LookupError("There is no registry.")
    return sum(used_s)


def registries_cpu_s(cluster: Cluster) -> list[float]:
    """Return the CPU seconds that each registry has used."""
    used_s: list[float] = []
    for node in cluster.nodes:
        for process in node.machine.processes():
            with suppress(psutil.NoSuchProcess):
                if " ".join(process.cmdline()).startswith(REGISTRY):
                    times = process.cpu_times()
                    used_s.append(times.user + times.system)
    return used_s


def report(sizes: list[Size]) -> Report:
    """Return the table, and what is wanted of it."""
    first, *others = sizes
    targets: list[Target] = []
    for size in others:
        times = size.nodes / first.nodes
        wanted = round(GROWTH * times * first.turns_per_s, 1)
        what = f"turns/s on {size.nodes} nodes"
        targets.append(Target(what, size.turns_per_s, wanted, at_least=True))
        wanted = round(SLOWER * percentile(first.send_ms, 50), 1)
        what = f"p50 of sends on {size.nodes} nodes, ms"
        targets.append(Target(what, percentile(size.send_ms, 50), wanted))
    return Report("Growth with nodes", COLUMNS, [size.row() for size in sizes], targets)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.cluster.growth", description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 3], help="sizes (1 2 3)")
    parser.add_argument("--quota", type=float, default=QUOTA, help=f"CPUs a node ({QUOTA})")
    parser.add_argument("--postgres", action="store_true", help="store in PostgreSQL next to them")
    options = parser.parse_args()
    sizes: list[Size] = []
    for nodes in options.nodes:
        out.print(f"Measuring {nodes} nodes with {options.quota} of a CPU each", style="dim")
        sizes.append(measure(nodes, options.quota, postgres=options.postgres))
    found = report(sizes)
    show(out, found)
    show_targets(out, {"measured": [found]})


if __name__ == "__main__":
    main()
