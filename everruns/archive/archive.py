"""The archive: brought up to date from the store, and never the other way."""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from everruns.archive.batch import Batch, day_of
from everruns.archive.comparison import Known, bucket_totals, differing, totals_with
from everruns.archive.files import ArchiveFiles
from everruns.archive.manifest import Manifest
from everruns.archive.merging import mergeable
from everruns.archive.reading import paced, read_existing, read_heads, read_stretches
from everruns.archive.rows import Row, session_row
from everruns.ids import now_ms
from everruns.registry.history import History
from everruns.storage.history import HeadQuery, SessionHead, Stretch, bucket_of

OVERLAP_MS = 2_000
"""How far before the newest known update the archive looks again: clocks of hosts differ."""


@dataclass(frozen=True)
class Refreshed:
    """What became of bringing the archive up to date.

    Attributes:
        added: How many events were added.
        removed: How many sessions were removed, since they are deleted.
        missing: How many events were left for later: to be added, or still to be removed. With
            none, the archive has what the store had when it was asked.
    """

    added: int
    removed: int
    missing: int


class Archive:
    """A copy of the logs of all sessions in files of Parquet, by day.

    It says itself up to which event it has each session, in the same state that has the events. So
    a process that dies at any moment loses nothing and doubles nothing.

    Args:
        folder: Its folder, of which this process becomes the owner.
        history: The sessions and logs of the store.

    Raises:
        Conflict: Another process owns the folder.
        StoreUnavailable: The folder cannot be used.
    """

    def __init__(self, folder: Path, history: History) -> None:
        self._files = ArchiveFiles(folder)
        self._history = history
        self._changing = asyncio.Lock()
        self._names: Mapping[str, str] = {}
        self._newest_ms = max((one.updated_ms for one in self._files.known.values()), default=0)
        # What is listed again for the overlap and has not changed is not written again.
        self._lately_ms = 0
        self._written: dict[str, Row] = {}

    def reading(self) -> AbstractContextManager[Manifest]:
        """Give the current manifest, whose files stay as long as the context lasts."""
        return self._files.reading()

    async def refresh(self, limit_s: float | None = None) -> Refreshed:
        """Bring the archive up to date with what was acknowledged before the call.

        What is deleted is removed first. A caller that is cancelled ends nothing.

        Args:
            limit_s: Seconds after which the rest is left for the next time.

        Raises:
            StoreUnavailable: The store or the folder cannot be used; the archive is as it was, or
                further.
        """
        deadline = math.inf if limit_s is None else time.monotonic() + limit_s
        return await asyncio.shield(asyncio.ensure_future(self._refresh(deadline)))

    async def _refresh(self, deadline: float) -> Refreshed:
        async with self._changing:
            since_ms = max(self._newest_ms - OVERLAP_MS, 0)
            heads, gone = await self._differences(since_ms)
            if gone and not await asyncio.to_thread(self._files.remove, gone, deadline):
                return Refreshed(0, 0, max(sum(map(self._length, gone)), 1))
            # Not beyond now, or what changes from now on would not be listed.
            newest_ms = min(max((head.updated_ms for head in heads.values()), default=0), now_ms())
            self._lately_ms = max(self._newest_ms, newest_ms) - OVERLAP_MS
            names = await paced(self._history.agent_names())
            wanted = self._wanted(heads)
            added, is_done = await self._add(wanted, names, deadline)
            if is_done:
                self._newest_ms = max(self._newest_ms, newest_ms)
                return Refreshed(added, len(gone), 0)
            # Of a session that has changed alone, no event is missing.
            missing = sum(stretch.until - stretch.after for stretch in wanted) - added
            return Refreshed(added, len(gone), max(missing, 1))

    async def _differences(self, since_ms: int) -> tuple[dict[str, SessionHead], list[str]]:
        """Return the heads of sessions that may have changed, and which are to be removed.

        What has changed lately is listed. If the store then has other totals, something was deleted
        or has slipped through, and the buckets in which it is are listed as a whole.
        """
        known = self._files.known
        heads, totals = await read_heads(self._history, HeadQuery(since_ms=since_ms))
        unlisted: set[str] = set()
        if totals_with(self._files.manifest.totals, known, heads) != totals:
            there = await paced(self._history.totals())
            for bucket in differing(bucket_totals(known, heads), there):
                listed, _ = await read_heads(self._history, HeadQuery(bucket=bucket))
                heads.update(listed)
                unlisted |= {one for one in known if bucket_of(one) == bucket} - listed.keys()
        existing = await read_existing(self._history, unlisted)
        # A log that is shorter than it was comes from a backup; it is read again from its start.
        shorter = [one for one, head in heads.items() if head.length < self._length(one)]
        return heads, [*(unlisted - existing.keys()), *shorter]

    def _wanted(self, heads: Mapping[str, SessionHead]) -> list[Stretch]:
        """Return what to read, oldest first, so that few days change with each batch.

        A session that changed lately may have changed twice in one millisecond.
        """
        changed = [
            head
            for head in heads.values()
            if head.updated_ms >= self._lately_ms
            or self._files.known.get(head.id) != Known.of(head)
        ]
        changed.sort(key=lambda head: head.updated_ms)
        return [Stretch(head.id, self._length(head.id), head.length) for head in changed]

    def _length(self, session_id: str) -> int:
        known = self._files.known.get(session_id)
        return known.length if known else 0

    async def _add(
        self, wanted: Sequence[Stretch], names: Mapping[str, str], deadline: float
    ) -> tuple[int, bool]:
        """Add what is read in batches; return how many events, and whether that is all."""
        added, batch = 0, Batch()
        is_renamed = names != self._names and bool(self._files.known)
        async for read in read_stretches(self._history, wanted):
            # Something has been added by then, so that the next refresh has less to do.
            if batch.sessions and time.monotonic() >= deadline:
                await self._write(batch, names)
                return added, False
            session_id = read.session.id
            length = read.events[-1].sequence if read.events else self._length(session_id)
            row = session_row(read.session, length)
            if not read.events and self._written.get(session_id) == row:
                continue
            batch.add(read, row)
            added += len(read.events)
            if batch.is_full:
                await self._write(batch, names)
                batch = Batch()
        if batch.sessions or is_renamed:
            await self._write(batch, names)
        return added, True

    async def _write(self, batch: Batch, names: Mapping[str, str]) -> None:
        await asyncio.to_thread(self._files.add, batch, names)
        self._names = names
        self._written = {
            identity: row
            for identity, row in {**self._written, **batch.sessions}.items()
            if row["updated_at"] >= self._lately_ms
        }

    async def merge(self) -> None:
        """Merge small files; others can refresh the archive between two of them.

        A caller that is cancelled does not end what is being merged.
        """
        while await asyncio.shield(asyncio.ensure_future(self._merge_group())):
            pass

    async def _merge_group(self) -> bool:
        """Merge one group of small files; return whether there was one."""
        async with self._changing:
            groups = mergeable(self._files.manifest.parts, day_of(now_ms()))
            if groups:
                await asyncio.to_thread(self._files.merge, groups[0])
            return bool(groups)

    async def close(self) -> None:
        """Let go of the folder, after what is being written."""
        async with self._changing:
            self._files.close()
