"""``python -m bench.queries DIRECTORY``: how long queries of an archive take.

The archive is one that ``python -m bench.archive DIRECTORY`` has made, or a copy of a server's.
Each query runs as on a server, in a process of its own with its limits; the first of each process
also opens the files.
"""

import argparse
import asyncio
from pathlib import Path
from statistics import median

import orjson
from rich.console import Console
from rich.table import Column, Table

from everruns.archive.engine import answer_query
from everruns.archive.lanes import MEMORY_BYTES
from everruns.archive.manifest import read_manifest
from everruns.archive.usage import Dimension, UsageQuery
from everruns.domain.queries import Query
from everruns.ids import now_ms
from everruns.tools.child_processes import ChildProcesses

TIMES = 5
DAY_MS = 86_400_000

QUESTIONS = {
    "spending by model and day": "SELECT day, model, sum(cost_usd) AS cost_usd, "
    "sum(unpriced_calls) AS unpriced FROM usage_daily GROUP BY ALL ORDER BY ALL",
    "p95 of turns by agent, last 7 days": "SELECT agent_id, count(*) AS turns, "
    "quantile_cont(duration_ms, 0.95) AS p95_ms FROM turns WHERE day >= current_date - 7 "
    "GROUP BY ALL ORDER BY p95_ms DESC",
    "slowest and most failing tools": "SELECT tool_name, count(*) AS calls, "
    "avg(duration_ms) AS mean_ms, count(*) FILTER (NOT success) / count(*) AS failing "
    "FROM tool_calls GROUP BY ALL ORDER BY failing DESC, mean_ms DESC",
    "most expensive turns": "SELECT turn_id, sum(cost_usd) AS cost_usd FROM model_calls "
    "GROUP BY ALL ORDER BY cost_usd DESC NULLS LAST LIMIT 20",
    "messages with a word": "SELECT session_id, created_at FROM messages "
    "WHERE text ILIKE '%refund%' LIMIT 100",
}

out = Console()


def usage_by(*dimensions: Dimension) -> Query:
    """The query of a report of 30 days."""
    now = now_ms()
    return UsageQuery(now - 30 * DAY_MS, now, dimensions, {}, None, 1000).query("json")


async def measure(directory: Path) -> Table:
    """Ask everything a few times."""
    manifest = read_manifest(directory)
    if manifest is None:
        raise SystemExit(f"{directory} has no archive. Make one with python -m bench.archive.")
    rows = sum(part.rows for part in manifest.parts)
    table = Table(
        "Question",
        *(Column(name, justify="right") for name in ("First, s", "Median, s", "Rows")),
        title=f"{rows:,} events, {len(manifest.parts):,} files",
    )
    questions = {name: Query(sql, []) for name, sql in QUESTIONS.items()} | {
        f"usage by {name}": usage_by(name) for name in ("day", "agent", "model", "session")
    }
    for name, query in questions.items():
        children = ChildProcesses(1, MEMORY_BYTES)
        asked = {
            "folder": str(directory),
            "events": [str(directory / part.path) for part in manifest.parts],
            "sessions": [str(directory / manifest.sessions)] if manifest.sessions else [],
            "query": query.sql,
            "parameters": query.parameters,
            "max_rows": query.max_rows,
            "form": query.form,
            "timeout_s": 60.0,
        }
        facts = [
            orjson.loads(
                (await children.run(answer_query, [orjson.dumps(asked)], 90.0)).partition(b"\n")[0]
            )
            for _ in range(TIMES)
        ]
        children.close()
        if "failure" in facts[0]:
            raise SystemExit(f"{name}: {facts[0]['failure']} {facts[0]['message']}")
        took = [each["duration_ms"] / 1000 for each in facts]
        table.add_row(name, f"{took[0]:.2f}", f"{median(took[1:]):.2f}", f"{facts[0]['rows']:,}")
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="the archive")
    directory: Path = parser.parse_args().directory
    out.print(asyncio.run(measure(directory.absolute())))


if __name__ == "__main__":
    main()
