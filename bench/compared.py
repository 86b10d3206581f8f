"""Compares this version with another one: ``python -m bench.compared CHECKOUT``.

Both servers run at the same time and are loaded in turn, block by block, so that what else the
machine does meets both. CPU for each turn is the steadier figure; turns a second is the one that
clients notice.
"""

import argparse
import asyncio
from dataclasses import dataclass, field
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.checkout import HERE, Checkout, read_checkout
from bench.load import make_agent, run_load
from bench.server import Server, add_variables, running_server

TOKENS = 20
WARM_UP_S = 5.0

out = Console()


@dataclass
class Blocks:
    """What the blocks of one version came to.

    Attributes:
        turns_per_s: Finished turns a second, of each block.
        cpu_ms: CPU of all its processes for each turn, of each block.
    """

    turns_per_s: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    def measure(self, server: Server, agent_id: str, clients: int, seconds: float) -> None:
        """Load a server for one block."""
        before = server.cpu_s()
        measured = asyncio.run(run_load(server.address, agent_id, clients, seconds))
        self.cpu_ms.append((server.cpu_s() - before) * 1000 / len(measured.turn_ms))
        self.turns_per_s.append(measured.turns_per_s)


def main(
    other: Checkout, variables: dict[str, str], blocks: int, clients: int, seconds: float
) -> None:
    """Measure and print."""
    with (
        running_server(checkout=other) as before,
        running_server(checkout=HERE, **variables) as now,
    ):
        servers, found = (before, now), (Blocks(), Blocks())
        agents = [asyncio.run(make_agent(server.address, TOKENS)) for server in servers]
        for server, agent_id in zip(servers, agents, strict=True):
            asyncio.run(run_load(server.address, agent_id, clients, WARM_UP_S))
        for block in range(blocks):
            order = (0, 1) if block % 2 == 0 else (1, 0)
            for which in order:
                found[which].measure(servers[which], agents[which], clients, seconds)
            out.print(
                f"{block + 1}: {found[0].turns_per_s[-1]:.1f} and "
                f"{found[1].turns_per_s[-1]:.1f} turns/s, {found[0].cpu_ms[-1]:.2f} and "
                f"{found[1].cpu_ms[-1]:.2f} ms of CPU",
                style="dim",
            )
    then, here = found
    table = Table("", other.name, HERE.name, "Ratio", "of the pairs", title="Turns")
    for name, first, second in (
        ("Turns/s", then.turns_per_s, here.turns_per_s),
        ("CPU for a turn, ms", then.cpu_ms, here.cpu_ms),
    ):
        pairs = sorted(b / a for a, b in zip(first, second, strict=True))
        table.add_row(
            name,
            f"{median(first):.2f}",
            f"{median(second):.2f}",
            f"{median(second) / median(first):.3f}",
            f"{median(pairs):.3f} ({pairs[0]:.2f} to {pairs[-1]:.2f})",
        )
    out.print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=read_checkout, help="the folder of the other version")
    add_variables(parser, "of this version")
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=8.0)
    given = parser.parse_args()
    main(given.checkout, dict(given.variables), given.blocks, given.clients, given.seconds)
