"""``python -m bench.cluster.scale``: a hundred nodes on one machine, as far as the registry goes.

Of a cluster with PostgreSQL everything grows with the nodes except the registry and the database.
This measures what each thing costs the registry (``bench.cluster.unit_costs``), and tells from the
load that is assumed how much of its one core is used, and what is the first to be too much.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

import uvloop
from rich.console import Console

from bench.cluster.unit_costs import HOSTS_A_NODE, Cost, fill, measure
from bench.limits.report import Report, show
from bench.postgres import PostgresServer, database_on
from everruns.runtime.reconciler import INTERVAL_S
from everruns.runtime.watch import REPORT_EVERY_S

TURN_EVERY_S = 100.0
LIVE_FOR_S = 1_000.0
LISTS_EACH_S = 1_000.0
KEEP_EVERY_S = 0.25
SIZE_EVERY_S = 5.0

out = Console(width=120, highlight=False)


@dataclass(frozen=True)
class Part:
    """One part of what the registry does.

    Attributes:
        what: In words.
        cost: Its key among the measured costs.
        per_s: How often it happens.
    """

    what: str
    cost: str
    per_s: float


def main() -> None:
    """Fill, measure, print."""
    options = _options()
    nodes, sessions = options.nodes, options.sessions
    with PostgresServer() as server, database_on(server) as url:
        out.print(f"Filling a database with {sessions:,} sessions")
        stored = fill(url, sessions)
        costs = uvloop.run(measure(out, stored, nodes))
        stored.store.close()
    show(out, _steady(costs, nodes, sessions))
    show(out, _seldom(costs))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.cluster.scale", description=__doc__)
    parser.add_argument("--nodes", type=int, default=100, help="of eight session actors each")
    parser.add_argument("--sessions", type=int, default=100_000, help="that are live")
    return parser.parse_args()


def load_of(nodes: int, sessions: int) -> list[Part]:
    """Return what a registry has to do for so many sessions, each silent for longer than a minute.

    A session that is silent for a minute leaves its host, so each turn places it again.
    """
    hosts = nodes * HOSTS_A_NODE
    turns = sessions / TURN_EVERY_S
    return [
        Part("a turn begins: its session is placed", "send", turns),
        Part("its host claims it, to read its log", "claim", turns),
        Part("a reader or another replica asks where it is", "place", turns),
        Part("a session has left its host", "release", turns),
        Part("a new conversation is stored and placed", "begin", sessions / LIVE_FOR_S),
        Part("a page of 20 of a list", "list", sessions / LISTS_EACH_S / 10),
        Part("a host reports", "report", hosts / REPORT_EVERY_S),
        Part("a host reports its size", "size", hosts / SIZE_EVERY_S),
        Part("look for open turns on no host", "look", 1 / INTERVAL_S),
        Part("are there enough hosts", "keep", 1 / KEEP_EVERY_S),
    ]


def _steady(costs: Mapping[str, Cost], nodes: int, sessions: int) -> Report:
    parts = load_of(nodes, sessions)
    shares = [part.per_s * costs[part.cost].cpu_ms / 10 for part in parts]
    rows = [
        (part.what, f"{costs[part.cost].cpu_ms:.3f} ms", f"{part.per_s:,.1f}", f"{share:.1f} %")
        for part, share in zip(parts, shares, strict=True)
    ]
    rows.append(("all", "", "", f"{sum(shares):.0f} %"))
    rows.append(("one core is full at", "", f"{sessions * 100 / sum(shares):,.0f} sessions", ""))
    title = f"The registry of {nodes} nodes and {sessions:,} live sessions"
    return Report(title, ("", "CPU each", "a second", "of a core"), rows)


def _seldom(costs: Mapping[str, Cost]) -> Report:
    names = {
        "adopt": "a new registry takes over all hosts",
        "node lost": "a node is gone: its sessions become free",
        "resume": "and the open turns that it had are placed",
        "handed over": "for comparison: the registry reads a session of 40 events itself",
        "listed report": "for comparison: a host lists its sessions",
    }
    rows = [
        (what, f"{costs[name].cpu_ms:,.1f} ms", f"{costs[name].elapsed_ms:,.1f} ms")
        for name, what in names.items()
    ]
    return Report("What happens seldom", ("", "CPU", "elapsed"), rows)


if __name__ == "__main__":
    main()
