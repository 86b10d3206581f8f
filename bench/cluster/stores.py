"""``make bench-cluster``: compares PostgreSQL with DuckDB, one server on each, on one machine.

The database has the same cores as the server. The servers are loaded in turns, so that what else
the machine does hits all of them.
"""

import argparse
import asyncio
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from rich.console import Console

from bench.checkout import Checkout, read_checkout
from bench.limits.report import Report, Target, show, show_targets
from bench.load import Measured, make_agent, percentile, run_load
from bench.postgres import PostgresServer, database_on
from bench.server import Server, running_server

TOKENS = 20
CLIENTS = (1, 16, 64)
WARM_UP_S = 5.0
RUN_S = 6.0
ROUNDS = 3
# Of DuckDB's turns/s, and of its time to the first event.
TURNS = 0.6
FIRST_EVENT = 2.0
# What two measurements of the same may differ by on a shared machine.
NOISE = 0.1
DUCKDB, POSTGRESQL = "DuckDB", "PostgreSQL"
COLUMNS = ("Clients", "Store", "Turns/s", "First event p50", "p99", "CPU a turn")

out = Console(width=120, highlight=False)


@dataclass
class Loaded:
    """What one server did under one load, round by round.

    Attributes:
        turns_per_s: Of each round.
        first_event_ms: The median of each round.
        first_event_p99_ms: The 99th percentile of each round.
        cpu_ms: The CPU time of the server's processes a turn, of each round.
    """

    turns_per_s: list[float] = field(default_factory=list)
    first_event_ms: list[float] = field(default_factory=list)
    first_event_p99_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    def add(self, run: Measured, cpu_s: float) -> None:
        """Add a round, in which the server used so much CPU time."""
        self.turns_per_s.append(run.turns_per_s)
        self.first_event_ms.append(percentile(run.first_event_ms, 50))
        self.first_event_p99_ms.append(percentile(run.first_event_ms, 99))
        self.cpu_ms.append(cpu_s * 1000 / len(run.turn_ms))

    def row(self) -> list[str]:
        """Return the medians over all rounds as they are printed."""
        return [
            f"{median(self.turns_per_s):.1f}",
            f"{median(self.first_event_ms):.1f} ms",
            f"{median(self.first_event_p99_ms):.1f} ms",
            f"{median(self.cpu_ms):.2f} ms",
        ]


Loads = Mapping[int, Loaded]
"""What one server did, by the number of clients."""


def load(server: Server, agent_id: str, clients: int, loaded: Loaded) -> None:
    """Load a server for one round."""
    before = server.cpu_s()
    run = asyncio.run(run_load(server.address, agent_id, clients, RUN_S))
    loaded.add(run, server.cpu_s() - before)


def warm(server: Server) -> str:
    """Load a server for a while; return the agent that its clients talk to."""
    agent_id = asyncio.run(make_agent(server.address, TOKENS))
    asyncio.run(run_load(server.address, agent_id, max(CLIENTS), WARM_UP_S))
    return agent_id


def report(loads: Mapping[str, Loads]) -> Report:
    """Return the table, and the targets of PostgreSQL and, with an earlier version, of DuckDB."""
    rows = [
        (str(clients), name, *loads[name][clients].row()) for clients in CLIENTS for name in loads
    ]
    targets = [*_compare(loads, POSTGRESQL, DUCKDB, TURNS, FIRST_EVENT)]
    for before in loads.keys() - {DUCKDB, POSTGRESQL}:
        targets += _compare(loads, DUCKDB, before, 1 - NOISE, 1 + NOISE)
    return Report("Stores", COLUMNS, rows, targets)


def _compare(
    loads: Mapping[str, Loads], name: str, reference: str, turns: float, first_event: float
) -> Iterator[Target]:
    """Return what is wanted of one server: a share of another's turns, so many times its wait."""
    for clients in CLIENTS:
        ours, theirs = loads[name][clients], loads[reference][clients]
        against = f"{clients} clients, {name} against {reference}"
        share = round(median(ours.turns_per_s) / median(theirs.turns_per_s), 2)
        yield Target(f"share of turns/s, {against}", share, turns, at_least=True)
        times = round(median(ours.first_event_ms) / median(theirs.first_event_ms), 2)
        yield Target(f"times the first event p50, {against}", times, first_event)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.cluster.stores", description=__doc__)
    parser.add_argument(
        "--before", type=read_checkout, help="compare with an earlier version over DuckDB too"
    )
    before: Checkout | None = parser.parse_args().before
    with ExitStack() as stack:
        database = stack.enter_context(PostgresServer(durable=True))
        url = stack.enter_context(database_on(database))
        out.print("Starting the servers", style="dim")
        servers = {
            DUCKDB: stack.enter_context(running_server()),
            POSTGRESQL: stack.enter_context(running_server(EVERRUNS_DATABASE_URL=url)),
        }
        if before is not None:
            servers[before.name] = stack.enter_context(running_server(checkout=before))
        agents = {name: warm(server) for name, server in servers.items()}
        loads = {name: {clients: Loaded() for clients in CLIENTS} for name in servers}
        for clients in CLIENTS:
            out.print(f"Measuring {clients} clients", style="dim")
            for _ in range(ROUNDS):
                for name, server in servers.items():
                    load(server, agents[name], clients, loads[name][clients])
    found = report(loads)
    show(out, found)
    show_targets(out, {"measured": [found]})


if __name__ == "__main__":
    main()
