"""Exports: rows as the archive has them, read from the store into a directory of somebody's own."""

import asyncio
import os
import shutil
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import duckdb
import orjson

from everruns.archive.batch import Batch
from everruns.archive.parquet import Parquet
from everruns.archive.reading import paced, read_heads, read_stretches
from everruns.archive.rows import session_row
from everruns.errors import Conflict, SessionNotFound, StoreUnavailable
from everruns.ids import format_time
from everruns.registry.history import History
from everruns.storage.history import HeadQuery, SessionHead, Stretch

SPOOL = ".spool"
EVENTS_FILE = "events.jsonl"
SESSIONS_FILE = "sessions.jsonl"

Form = Literal["parquet", "jsonl"]
Report = Callable[[int, int], None]
"""Told how many events have been read, and how many there are to read."""


@dataclass(frozen=True)
class Selection:
    """What is exported; all conditions must hold.

    Attributes:
        session_ids: Only these sessions, unless empty.
        since_ms: Only events at or after this time, in milliseconds since the epoch.
        until_ms: Only events before this time.
    """

    session_ids: Collection[str] = ()
    since_ms: int = 0
    until_ms: int | None = None

    def has(self, ts: int) -> bool:
        """Tell whether an event of this time is exported."""
        return ts >= self.since_ms and (self.until_ms is None or ts < self.until_ms)

    @property
    def is_bounded(self) -> bool:
        """Whether events are left out for their time; then so are sessions without others."""
        return bool(self.since_ms) or self.until_ms is not None


async def export(
    history: History, directory: Path, form: Form, selection: Selection, report: Report
) -> tuple[int, int]:
    """Write sessions and their events into a new directory that no other user can read.

    Args:
        history: The sessions and logs of the store.
        directory: The directory.
        form: Of the files.
        selection: Which of them.
        report: Told how far it is.

    Returns:
        How many sessions and how many events were written.

    Raises:
        Conflict: The directory has files already.
        SessionNotFound: A session that is named does not exist.
        StoreUnavailable: The store cannot be read or the directory not be written.
    """
    heads, _ = await read_heads(history, HeadQuery(since_ms=selection.since_ms))
    wanted = _stretches(heads, selection)
    names = await paced(history.agent_names())
    total = sum(stretch.until for stretch in wanted)
    with _files(directory, form) as files:
        batch = Batch()
        read_events = sessions = events = 0
        shown = ""
        async for read in read_stretches(history, wanted):
            read_events += len(read.events)
            chosen = [event for event in read.events if selection.has(event.ts)]
            events += len(chosen)
            if chosen or not selection.is_bounded:
                shown = read.session.id
            length = heads[read.session.id].length
            is_end = not read.events or read.events[-1].sequence == length
            # Once, after all of its events.
            is_shown = is_end and shown == read.session.id
            sessions += is_shown
            row = session_row(read.session, length) if is_shown else None
            batch.add(replace(read, events=chosen), row)
            if batch.is_full:
                await asyncio.to_thread(files.write, batch, names)
                batch = Batch()
            report(read_events, total)
        await asyncio.to_thread(files.write, batch, names)
    return sessions, events


def _stretches(heads: Mapping[str, SessionHead], selection: Selection) -> list[Stretch]:
    for session_id in selection.session_ids:
        if session_id not in heads and not selection.is_bounded:
            raise SessionNotFound(f"Session {session_id} not found")
    chosen = [
        head
        for head in heads.values()
        if not selection.session_ids or head.id in selection.session_ids
    ]
    chosen.sort(key=lambda head: head.updated_ms)
    return [Stretch(head.id, 0, head.length) for head in chosen]


class _ParquetFiles:
    """Writes files as the archive has them: events by day, and sessions."""

    def __init__(self, directory: Path) -> None:
        spool = directory / SPOOL
        spool.mkdir(mode=0o700)
        self._directory = directory
        self._spool = spool
        self._parquet = Parquet(spool)
        self._number = 0

    def write(self, batch: Batch, agent_names: Mapping[str, str]) -> None:
        self._number += 1
        name = f"{self._number:05}.parquet"
        for day, lines in sorted(batch.days.items()):
            self._parquet.write_events(lines, self._directory / f"events/day={day}" / name)
        rows, target = batch.sessions.values(), self._directory / "sessions" / name
        self._parquet.write_sessions(None, rows, (), agent_names, target)

    def close(self) -> None:
        self._parquet.close()
        shutil.rmtree(self._spool)


class _JsonFiles:
    """Writes two files with a JSON object on each line, and times as on the wire."""

    def __init__(self, directory: Path) -> None:
        self._events = (directory / EVENTS_FILE).open("xb")
        self._sessions = (directory / SESSIONS_FILE).open("xb")

    def write(self, batch: Batch, agent_names: Mapping[str, str]) -> None:
        for day, lines in sorted(batch.days.items()):
            for line in lines:
                row = orjson.loads(line)
                row = {**row, "ts": format_time(row["ts"]), "day": day}
                self._events.write(orjson.dumps(row) + b"\n")
        for row in batch.sessions.values():
            times = {name: format_time(row[name]) for name in ("created_at", "updated_at")}
            name = agent_names.get(row["agent_id"])
            self._sessions.write(orjson.dumps({**row, **times, "agent_name": name}) + b"\n")

    def close(self) -> None:
        self._events.close()
        self._sessions.close()


@contextmanager
def _files(directory: Path, form: Form) -> Generator[_ParquetFiles | _JsonFiles]:
    os.umask(0o077)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise Conflict(f"{directory} is not empty. Name a new directory for each export.")
        files = _ParquetFiles(directory) if form == "parquet" else _JsonFiles(directory)
        try:
            yield files
        finally:
            files.close()
    except OSError as error:
        raise StoreUnavailable(f"{directory} cannot be written: {error.strerror}") from None
    except duckdb.Error as error:
        raise StoreUnavailable(f"{directory} cannot be written: {type(error).__name__}") from None
