"""``make cluster``: starts a cluster on this machine and runs it until Ctrl-C."""

import argparse
import signal
import sys

from rich.console import Console

from bench.cluster.machines import NotPossibleHereError
from bench.cluster.nodes import FailedCommandError
from bench.cluster.running import Cluster, NotReadyError, running_cluster

out = Console(highlight=False)


def main() -> None:
    """Run a cluster."""
    parser = argparse.ArgumentParser(prog="python -m bench.cluster", description=__doc__)
    parser.add_argument("--nodes", type=int, default=3, help="how many nodes (3)")
    parser.add_argument("--quota", type=float, help="how much of a CPU each node may use (all)")
    parser.add_argument("--postgres", action="store_true", help="store in PostgreSQL next to them")
    options = parser.parse_args()
    # Whatever ends it, it ends what it has started. A shell ignores the one in what it has started
    # in the background.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    out.print(f"Starting {options.nodes} nodes. The first start takes a minute.", style="dim")
    try:
        with running_cluster(
            options.nodes, quota=options.quota, postgres=options.postgres
        ) as cluster:
            tell(cluster)
            signal.pause()
    except KeyboardInterrupt:
        out.print("Ended.", style="dim")
    except (NotPossibleHereError, FailedCommandError, NotReadyError) as error:
        sys.exit(str(error))


def tell(cluster: Cluster) -> None:
    """Print how the cluster is reached."""
    out.print(f"Everruns is ready at [bold]{cluster.address}[/]")
    for node in cluster.nodes:
        role = "head" if node is cluster.head else "worker"
        where = f"{node.address}  {node.machine.folder}"
        out.print(f"  {node.machine.name}  {role:6}  {where}", soft_wrap=True)
    if cluster.postgres is not None:
        out.print(f"PostgreSQL has its files in {cluster.postgres.server.folder}")
    out.print("Stop with Ctrl-C.")


if __name__ == "__main__":
    main()
