"""``python -m bench.archive DIRECTORY``: what an archive of many events costs.

The archive is written by the code of a server, from a history that is made up as it is read, so
that nothing but the archive is measured. It stays in DIRECTORY, for queries.
"""

import argparse
import asyncio
import random
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.history import Log
from everruns.archive.archive import Archive
from everruns.domain.events import Event, EventType
from everruns.ids import now_ms
from everruns.registry.database import Database
from everruns.registry.history import MAX_EVENTS_BYTES, History
from everruns.storage.history import (
    HeadQuery,
    Heads,
    SessionEntry,
    SessionHead,
    Stretch,
    Totals,
    bucket_of,
)
from everruns.storage.memory.store import MemoryStore

AGENTS = 20
END_USERS = 500
DAYS = 30
TURNS = 12
TURN_EVENTS = 7
WORDS = [
    f"{first}{second}" for first in ("re", "un", "con", "a") for second in ("move", "ask", "test")
]
DAY_MS = 86_400_000
MODELS = ("openai/gpt-5", "openai/gpt-5-mini", "anthropic/claude-sonnet-5", "local/smollm2")
TOOLS = ("get_weather", "search_orders", "refund", "mcp_files__read_file", "web_fetch")

out = Console()


class MadeUpHistory(History):
    """Sessions of twelve turns each, over thirty days.

    Args:
        sessions: How many.
    """

    def __init__(self, sessions: int) -> None:
        super().__init__(Database(MemoryStore()))
        self._end_ms = now_ms()
        self._number = sessions
        self._logs = [_log(seed) for seed in range(50)]
        self._heads = {head.id: head for head in map(self._head, range(sessions))}

    def _head(self, number: int) -> SessionHead:
        created_ms = self._end_ms - DAYS * DAY_MS + number * DAYS * DAY_MS // self._number
        length = len(self._logs[number % len(self._logs)])
        identity = (
            f"session_{created_ms:012x}7{number:03x}"[:24] + f"{number * 2654435761 % 2**64:016x}"
        )
        return SessionHead(identity, length, created_ms, created_ms + 3_600_000)

    def grow(self, sessions: int) -> None:
        """Add sessions of now."""
        for number in range(self._number, self._number + sessions):
            head = replace(self._head(number), created_ms=now_ms(), updated_ms=now_ms())
            self._heads[head.id] = head
        self._number += sessions

    def delete(self, sessions: int) -> None:
        """Delete some of the sessions."""
        for identity in random.Random(0).sample(sorted(self._heads), sessions):
            del self._heads[identity]

    async def totals(self) -> Mapping[str, Totals]:
        totals: dict[str, Totals] = {}
        for head in self._heads.values():
            bucket = bucket_of(head.id)
            totals[bucket] = totals.get(bucket, Totals()) + _totals(head)
        return totals

    async def heads(self, query: HeadQuery) -> Heads:
        found = [
            head
            for head in self._heads.values()
            if head.updated_ms >= query.since_ms
            and query.bucket in {None, bucket_of(head.id)}
            and head.id > query.after
        ]
        found.sort(key=lambda head: head.id)
        heads = self._heads.values()
        totals = Totals(
            len(heads), sum(head.length for head in heads), sum(head.created_ms for head in heads)
        )
        return Heads(found[: query.limit], totals)

    async def entries(self, session_ids: Sequence[str]) -> Sequence[SessionEntry]:
        return [self._entry(self._heads[one]) for one in session_ids if one in self._heads]

    def _entry(self, head: SessionHead) -> SessionEntry:
        number = int(head.id[-8:], 16)
        return SessionEntry(
            head.id,
            f"agent_{number % AGENTS:032x}",
            f"user {number % END_USERS}",
            f"Conversation {number}",
            ["bench"],
            "idle",
            head.created_ms,
            head.updated_ms,
            None,
            None,
        )

    async def agent_names(self) -> Mapping[str, str]:
        return {f"agent_{number:032x}": f"agent {number}" for number in range(AGENTS)}

    async def events(self, stretches: Sequence[Stretch]) -> Sequence[Event]:
        found: list[Event] = []
        size_bytes = 0
        for stretch in stretches:
            head = self._heads.get(stretch.session_id)
            if head is None:
                continue
            log = self._logs[int(head.id[-8:], 16) % len(self._logs)]
            for event in _of(log, head)[stretch.after : stretch.until]:
                found.append(event)
                size_bytes += len(event.body)
                if size_bytes >= MAX_EVENTS_BYTES:
                    return found
        return found


def _totals(head: SessionHead) -> Totals:
    return Totals(1, head.length, head.created_ms)


def _of(log: list[Event], head: SessionHead) -> list[Event]:
    pace = 3_600_000 // len(log)
    turn, chance = head.id[8:28], random.Random(head.id)
    return [
        Event(
            head.id,
            event.sequence,
            f"event_{head.id[8:32]}{event.sequence:08x}",
            event.type,
            f"turn_{turn}{event.sequence // TURN_EVENTS:012x}",
            head.created_ms + event.sequence * pace,
            # No two messages are the same, or they would take no space.
            event.body.replace(b"several cities", " ".join(chance.choices(WORDS, k=40)).encode())
            if event.type == EventType.MESSAGE_CREATED
            else event.body,
        )
        for event in log
    ]


def _log(seed: int) -> list[Event]:
    """Return a log in which models, tools, tokens, costs and times differ."""
    chance = random.Random(seed)
    log = Log("session_" + "0" * 32)
    events: list[Event] = []
    for _ in range(TURNS):
        events += log.opening() + log.tool_use() + log.ending()
    return [_varied(event, chance) for event in events]


def _varied(event: Event, chance: random.Random) -> Event:
    model, tool = chance.choice(MODELS), chance.choice(TOOLS)
    changes = {
        b'"simulated/model"': f'"{model}"',
        b'"get_weather"': f'"{tool}"',
        b'"input_tokens":1000': f'"input_tokens":{chance.randint(200, 20_000)}',
        b'"output_tokens":100': f'"output_tokens":{chance.randint(10, 2_000)}',
        b'"duration_ms":900': f'"duration_ms":{chance.randint(400, 60_000)}',
        b'"duration_ms":12': f'"duration_ms":{chance.randint(1, 5_000)}',
    }
    if event.type == EventType.TOOL_RESULT and chance.random() < 0.05:
        changes[b'"success":true'] = '"success":false,"error":"It timed out."'
    body = event.body
    for found, put in changes.items():
        body = body.replace(found, put.encode())
    return replace(event, body=body)


async def measure(folder: Path, events: int) -> None:
    """Write an archive, then bring it up to date, delete from it and merge its files."""
    per_session = len(_log(0))
    history = MadeUpHistory(events // per_session)
    table = Table(
        "What", "Events", "Seconds", "CPU", "A CPU second", "RAM, MB", "Disk, MB", "Files"
    )
    archive = Archive(folder, history)

    async def line(what: str, work: "asyncio.Future[int]") -> None:
        begin, cpu = time.monotonic(), time.process_time()
        count = await work
        took, used = time.monotonic() - begin, time.process_time() - cpu
        with archive.reading() as state:
            size = sum((folder / path).stat().st_size for path in state.paths)
            files = len(state.paths)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        table.add_row(
            what,
            f"{count:,}",
            f"{took:.2f}",
            f"{used:.2f}",
            f"{count / used:,.0f}" if count else "",
            f"{peak:,.0f}",
            f"{size / 1e6:,.0f}",
            f"{files:,}",
        )
        out.print(f"{what}: {took:.2f} s, of CPU {used:.2f} s")

    async def refresh() -> int:
        return (await archive.refresh()).added

    async def merge() -> int:
        await archive.merge()
        return 0

    async def reopen() -> int:
        nonlocal archive
        await archive.close()
        archive = Archive(folder, history)
        return 0

    await line("first refresh", asyncio.ensure_future(refresh()))
    await line("merging files", asyncio.ensure_future(merge()))
    await line("opening", asyncio.ensure_future(reopen()))
    await line("refresh, nothing new", asyncio.ensure_future(refresh()))
    await line("refresh, nothing new", asyncio.ensure_future(refresh()))
    history.grow(10)
    await line("refresh, 10 sessions", asyncio.ensure_future(refresh()))
    history.delete(1)
    await line("refresh, 1 deleted", asyncio.ensure_future(refresh()))
    history.delete(100)
    await line("refresh, 100 deleted", asyncio.ensure_future(refresh()))
    await archive.close()
    out.print(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="a new directory for the archive")
    parser.add_argument("--events", type=int, default=10_000_000)
    given = parser.parse_args()
    asyncio.run(measure(given.directory, given.events))


if __name__ == "__main__":
    main()
