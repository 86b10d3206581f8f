"""``python -m bench.limits.memory``: the memory of each process while ever-new sessions come.

Turns come at a steady, modest rate, a few of them in each session. A curve that is flat after the
first minutes says that nothing is kept of the sessions that have gone quiet.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop
from rich.console import Console

from bench.limits.asking import Client, asking, fake_model, make_agent
from bench.limits.processes import memory_by_role, usages
from bench.limits.report import Report, show
from bench.limits.starting import running_model
from bench.server import Server, running_server
from everruns.storage.data_directory.opening import DATABASE_FILE

MODEL = "tokens-20"
# As in the run in which the growth was noticed: 45,000 turns in 13,000 sessions.
TURNS_OF_SESSION = 3
SHOWN = (
    "registry",
    "session actor",
    "API replica",
    "HAProxy",
    "Serve controller",
    "raylet",
    "GCS",
    "dashboard agent",
    "dashboard",
)
COLUMNS = ("Minute", "Turns", "Sessions", *SHOWN, "database")

out = Console(width=160, highlight=False)


def main() -> None:
    """Measure and print a line a minute, then all of them as a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.limits.memory", description=__doc__)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--turns-per-s", type=float, default=20.0)
    wanted = parser.parse_args()
    with running_model() as model_url, running_server() as server:
        rows = uvloop.run(_measure(server, model_url, wanted.minutes, wanted.turns_per_s))
        title = "Private memory in MB, of several processes of a kind the mean, and their number"
        show(out, Report(title, COLUMNS, rows))


async def _measure(
    server: Server, model_url: str, minutes: int, turns_per_s: float
) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    out.print("  ".join(COLUMNS))
    async with asking(server.address) as client:
        agent_id = await make_agent(client, fake_model(model_url, MODEL))
        load = _Load(client, agent_id, TURNS_OF_SESSION / turns_per_s)
        driving = asyncio.create_task(load.drive())
        started = time.monotonic()
        for minute in range(minutes + 1):
            wait_s = max(0.0, started + minute * 60 - time.monotonic())
            await asyncio.wait([driving], timeout=wait_s)
            if driving.done():
                driving.result()
            row = (str(minute), f"{load.turns:,}", f"{load.sessions:,}", *_sizes(server))
            rows.append(row)
            out.print("  ".join(row))
        driving.cancel()
        await asyncio.wait([driving])
    return rows


class _Load:
    """Sessions that begin one after another, each with a few turns.

    Attributes:
        turns: How many turns have ended.
        sessions: How many sessions were begun.
    """

    def __init__(self, client: Client, agent_id: str, every_s: float) -> None:
        self._client = client
        self._agent_id = agent_id
        self._every_s = every_s
        self.turns = self.sessions = 0

    async def drive(self) -> None:
        """Begin a session at each beat until cancelled; what fails ends the measurement."""
        async with asyncio.TaskGroup() as running:
            beat = time.monotonic()
            while True:
                running.create_task(self._talk())
                beat += self._every_s
                await asyncio.sleep(max(0.0, beat - time.monotonic()))

    async def _talk(self) -> None:
        session_id = await self._client.create(self._agent_id)
        self.sessions += 1
        for _ in range(TURNS_OF_SESSION):
            await self._client.send(session_id)
            await self._client.turn_end(session_id)
            self.turns += 1


def _sizes(server: Server) -> list[str]:
    """Return the memory of each role, and the size of the database, both in MB."""
    roles = memory_by_role(usages(server))
    return [*(_mean(*roles.get(role, (0, 0.0))) for role in SHOWN), f"{_database_mb(server):.0f}"]


def _mean(count: int, size_mb: float) -> str:
    if count <= 1:
        return f"{size_mb:.0f}"
    return f"{size_mb / count:.0f} x{count}"


def _database_mb(server: Server) -> float:
    files = Path(server.data_dir).glob(f"{DATABASE_FILE}*")
    return sum(file.stat().st_size for file in files) / 1e6


if __name__ == "__main__":
    main()
