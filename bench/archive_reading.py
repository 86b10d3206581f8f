"""``python -m bench.archive_reading``: what turns notice while all logs are read for the archive.

Rounds with and without a reader alternate, so that what else the machine does hits both. The reader
exports everything again and again, the way in which the archive reads; a real one reads each event
once.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from bench.load import make_agent, percentile, run_load
from bench.server import running_server

CLIENTS = 8
ROUND_S = 40.0
ROUNDS = 4

out = Console()


@asynccontextmanager
async def _exporting(data_dir: str) -> AsyncGenerator[list[str]]:
    """Export again and again; give what each export has said."""
    said: list[str] = []

    async def export() -> None:
        while True:
            with TemporaryDirectory() as folder:
                child = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "everruns.cli", "export"),
                    *(str(Path(folder) / "x"), "--data-dir", data_dir),
                    stderr=subprocess.PIPE,
                )
                try:
                    _, told = await child.communicate()
                finally:
                    if child.returncode is None:
                        child.kill()
                        await child.wait()
                said.append(told.decode().strip())

    reading = asyncio.create_task(export())
    try:
        yield said
    finally:
        reading.cancel()
        await asyncio.wait([reading])


async def measure(address: str, data_dir: str) -> None:
    """Let clients have turns, with and without a reader; print what they noticed."""
    agent_id = await make_agent(address, 20)
    await run_load(address, agent_id, CLIENTS, ROUND_S)
    table = Table("Reader", "Turns a second", "send p50, ms", "p99", "turn p50, ms", "p99")
    for number in range(ROUNDS):
        async with AsyncExitStack() as stack:
            is_read = number % 2 == 1
            said = await stack.enter_async_context(_exporting(data_dir)) if is_read else []
            found = await run_load(address, agent_id, CLIENTS, ROUND_S)
        figures = [found.turns_per_s] + [
            percentile(values, percent)
            for values in (found.send_ms, found.turn_ms)
            for percent in (50, 99)
        ]
        table.add_row("reads" if is_read else "", *(f"{figure:.1f}" for figure in figures))
        out.print(f"Round {number + 1}:", *said, sep="\n")
    out.print(table)


def main() -> None:
    """Start a server and measure."""
    with running_server() as server:
        out.print(f"Up after {server.ready_s:.0f} s")
        begin = time.monotonic()
        asyncio.run(measure(server.address, server.data_dir))
        out.print(f"Measured in {time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
