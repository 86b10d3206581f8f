"""What watching costs: ``python -m bench.watching``.

Two servers of this version are loaded at the same time: one as it comes, and one that measures and
logs nothing (``bench.unwatched``). What else the machine does meets both, so the CPU of a turn
differs by what watching costs. Turns a second are those of two servers on one machine.
"""

import argparse
import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.checkout import HERE
from bench.limits.processes import cpu_by_role, usages, wait_for_rest
from bench.load import make_agent, run_load
from bench.server import Server, add_variables, running_server

TOKENS = 20
WARM_UP_S = 8.0
SHOWN_MS = 0.05
UNWATCHED = {
    "PYTHONPATH": f"{Path(__file__).with_name('unwatched')}:{HERE.path}",
    "EVERRUNS_LOG_LEVEL": "warning",
}
# Those that both have from the beginning, so that no start falls into a block.
BOTH = {"EVERRUNS_WARM_SESSION_ACTORS": "2"}

out = Console()


@dataclass
class Loaded:
    """A server under load.

    Attributes:
        server: The server.
        agent_id: An agent of it.
        turns: How many turns each block had.
        cost_ms: The CPU of a turn by role, in milliseconds, of each block.
    """

    server: Server
    agent_id: str
    turns: list[int] = field(default_factory=list)
    cost_ms: list[Mapping[str, float]] = field(default_factory=list)

    async def run(self, clients: int, seconds: float) -> None:
        """Load it for one block."""
        before = usages(self.server, memory=False)
        measured = await run_load(self.server.address, self.agent_id, clients, seconds)
        spent = cpu_by_role(before, usages(self.server, memory=False))
        turns = len(measured.turn_ms)
        self.turns.append(turns)
        self.cost_ms.append({role: 1000 * cpu_s / turns for role, cpu_s in spent.items()})

    @property
    def all_ms(self) -> list[float]:
        """The CPU of a turn in all processes, of each block."""
        return [sum(roles.values()) for roles in self.cost_ms]

    def of(self, role: str) -> float:
        """Return the CPU of a turn in the processes of a role, the median of the blocks."""
        return median(roles.get(role, 0.0) for roles in self.cost_ms)


async def measure(
    servers: tuple[Server, Server], blocks: int, clients: int, seconds: float
) -> None:
    """Load both at once, block by block, and print."""
    watched, unwatched = [
        Loaded(server, await make_agent(server.address, TOKENS)) for server in servers
    ]
    both = (watched, unwatched)
    await asyncio.gather(
        *(run_load(each.server.address, each.agent_id, clients, WARM_UP_S) for each in both)
    )
    for block in range(blocks):
        await asyncio.gather(*(each.run(clients, seconds) for each in both))
        with_all, without = watched.all_ms[-1], unwatched.all_ms[-1]
        out.print(
            f"{block + 1}: {watched.turns[-1]} and {unwatched.turns[-1]} turns, {with_all:.2f} and "
            f"{without:.2f} ms of CPU for each",
            style="dim",
        )
    pairs = [b / a for a, b in zip(watched.all_ms, unwatched.all_ms, strict=True)]
    table = Table("CPU for a turn, ms", "as it comes", "unwatched", "difference")
    for role in watched.cost_ms[-1]:
        with_all, without = watched.of(role), unwatched.of(role)
        if with_all >= SHOWN_MS:
            table.add_row(role, f"{with_all:.3f}", f"{without:.3f}", f"{with_all - without:+.3f}")
    with_all, without = median(watched.all_ms), median(unwatched.all_ms)
    table.add_row("all", f"{with_all:.3f}", f"{without:.3f}", f"{with_all - without:+.3f}")
    out.print(table)
    out.print(
        f"Without, by with: {median(pairs):.3f}, the median of {len(pairs)} blocks "
        f"({min(pairs):.3f} to {max(pairs):.3f})"
    )


def main(variables: dict[str, str], blocks: int, clients: int, seconds: float) -> None:
    """Start both servers, and measure."""
    with (
        running_server(**BOTH, **variables) as watched,
        running_server(**BOTH, **UNWATCHED) as unwatched,
    ):
        for server in (watched, unwatched):
            wait_for_rest(server)
        asyncio.run(measure((watched, unwatched), blocks, clients, seconds))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    add_variables(parser, "that is watched")
    parser.add_argument("--blocks", type=int, default=6)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    main(dict(given.variables), given.blocks, given.clients, given.seconds)
