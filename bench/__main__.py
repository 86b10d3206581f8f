"""``make bench``: starts a server, loads it, prints what was measured."""

import asyncio
import time

from rich.console import Console
from rich.table import Table

from bench.load import make_agent, percentile, run_load
from bench.server import running_server

TOKENS = 20
WARM_UP_S = 5.0
RUN_S = 12.0
IDLE_S = 5.0
CLIENTS = (1, 16, 64)

out = Console()


def main() -> None:
    """Measure and print."""
    out.print("Starting the server", style="dim")
    with running_server() as server:
        out.print(f"Ready in [bold]{server.ready_s:.1f} s[/]")
        agent_id = asyncio.run(make_agent(server.address, TOKENS))
        asyncio.run(run_load(server.address, agent_id, 8, WARM_UP_S))
        table = Table(
            "Clients", "Turns/s", "First event p50", "p99", "Turn p50", "p99", title="Turns"
        )
        for clients in CLIENTS:
            out.print(f"Measuring {clients} clients for {RUN_S:.0f} s", style="dim")
            run = asyncio.run(run_load(server.address, agent_id, clients, RUN_S))
            table.add_row(
                str(clients),
                f"{run.turns_per_s:.1f}",
                *(
                    f"{percentile(values, percent):.1f} ms"
                    for values in (run.first_event_ms, run.turn_ms)
                    for percent in (50, 99)
                ),
            )
        out.print(table)
        before = server.cpu_s()
        time.sleep(IDLE_S)
        out.print(f"Idle afterwards: {(server.cpu_s() - before) / IDLE_S:.1%} of one core")
        memory = Table("Process", "Private memory", title="Memory")
        found = server.memory()
        for name, size_mb in found:
            memory.add_row(name, f"{size_mb:.0f} MB")
        memory.add_row("all", f"{sum(size for _, size in found):.0f} MB")
        out.print(memory)


if __name__ == "__main__":
    main()
