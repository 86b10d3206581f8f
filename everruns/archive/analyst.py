"""The analyst answers queries of the archive, which it brings up to date before."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from everruns.archive.archive import Archive
from everruns.archive.engine import FILES_LOST, OUT_OF_MEMORY, TIMED_OUT
from everruns.archive.lanes import WAIT_S, Lane
from everruns.archive.manifest import ARCHIVE_FOLDER, Manifest
from everruns.domain.queries import Query, QueryAnswer, QueryKind
from everruns.errors import Conflict, InvalidQuery, QueryTooExpensive, Unavailable
from everruns.registry.history import History
from everruns.remote import Repeat, remote
from everruns.tools.child_processes import ChildFailed, ChildTimedOut

QUERY_TIMEOUT_S = 10.0
# What cannot be interrupted is ended with its process.
KILLED_AFTER_S = 5.0
MAX_AGE_S = 1.0
REFRESH_TIMEOUT_S = 20.0
CATCH_UP_S = 60.0
CALL_TIMEOUT_S = WAIT_S + REFRESH_TIMEOUT_S + QUERY_TIMEOUT_S + KILLED_AFTER_S + 5.0


class Analyst:
    """Answers queries: those in SQL one after another, and reports of usage next to them.

    A person's query may take all the time that it is given, and reports do not wait for it.

    Args:
        data_dir: The data directory, which has the archive; no other process may use it there.
        history: What the archive is a copy of.
    """

    def __init__(self, data_dir: Path, history: History) -> None:
        self._folder = data_dir / ARCHIVE_FOLDER
        self._history = history
        self._archive: Archive | None = None
        self._opening = asyncio.Lock()
        self._is_closed = False
        self._lanes: Mapping[QueryKind, Lane] = {"sql": Lane(), "usage": Lane()}
        self._fresh_at = -MAX_AGE_S
        self._used_at = time.monotonic()

    async def idle(self, seconds: float) -> None:
        """Return when nobody has asked for so long."""
        left_s = seconds
        while left_s > 0 or any(lane.is_used for lane in self._lanes.values()):
            await asyncio.sleep(max(left_s, 1.0))
            left_s = self._used_at + seconds - time.monotonic()

    @remote(Repeat.YES, timeout_s=CALL_TIMEOUT_S)
    async def answer(self, query: Query) -> QueryAnswer:
        """Answer a query from everything that was acknowledged a second before it.

        Raises:
            InvalidQuery: It is not a query that is allowed, or it fails.
            QueryTooExpensive: It takes too long or too much memory.
            Overloaded: Too many queries are waiting.
            Unavailable: The archive is too far behind, or cannot be brought up to date.
        """
        lane = self._lanes[query.kind]
        try:
            async with lane.in_turn():
                archive = await self._fresh()
                with archive.reading() as manifest:
                    return await self._run(lane, query, manifest)
        finally:
            self._used_at = time.monotonic()

    async def _fresh(self) -> Archive:
        archive = await self._opened()
        began = time.monotonic()
        if began - self._fresh_at < MAX_AGE_S:
            return archive
        refreshed = await archive.refresh(REFRESH_TIMEOUT_S)
        if refreshed.missing:
            raise Unavailable(
                f"The archive is being brought up to date: {refreshed.missing:,} events are "
                "missing. Try again shortly.",
                None,
                5.0,
            )
        self._fresh_at = began
        return archive

    async def _opened(self) -> Archive:
        """Return the archive, opened when it is needed first.

        A caller that is cancelled does not end the opening: nobody could close what it opens.
        """
        return await asyncio.shield(asyncio.ensure_future(self._open()))

    async def _open(self) -> Archive:
        async with self._opening:
            if self._is_closed:
                raise Unavailable("Queries are no longer answered here.", None, 1.0)
            if self._archive is None:
                try:
                    opened = await asyncio.to_thread(Archive, self._folder, self._history)
                except Conflict as error:
                    # An analyst that is ending still has it.
                    raise Unavailable(error.message, None, 1.0) from None
                self._archive = opened
            return self._archive

    async def _run(self, lane: Lane, query: Query, manifest: Manifest) -> QueryAnswer:
        frame = orjson.dumps(
            {
                "folder": str(self._folder),
                "events": self._paths(part.path for part in manifest.parts),
                "sessions": self._paths(filter(None, [manifest.sessions])),
                "query": query.sql,
                "parameters": query.parameters,
                "max_rows": query.max_rows,
                "form": query.form,
                "timeout_s": QUERY_TIMEOUT_S,
            }
        )
        try:
            answer = await lane.run(frame, QUERY_TIMEOUT_S + KILLED_AFTER_S)
        except ChildTimedOut:
            raise _too_long() from None
        except ChildFailed:
            raise _too_much() from None
        line, _, content = answer.partition(b"\n")
        facts: dict[str, Any] = orjson.loads(line)
        if "failure" in facts:
            raise _failure(facts["failure"], facts["message"])
        return QueryAnswer(content, **facts)

    def _paths(self, relative: Iterable[str]) -> list[str]:
        return [str(self._folder / path) for path in relative]

    @remote(Repeat.YES, timeout_s=2 * CATCH_UP_S)
    async def catch_up(self) -> int:
        """Bring the archive further, and merge its small files; return how many events are left.

        Raises:
            Unavailable: The archive cannot be brought up to date.
        """
        archive = await self._opened()
        refreshed = await archive.refresh(CATCH_UP_S)
        if not refreshed.missing:
            await archive.merge()
        self._used_at = time.monotonic()
        return refreshed.missing

    async def close(self) -> None:
        """End the processes that run queries, and let go of the archive."""
        for lane in self._lanes.values():
            lane.close()
        async with self._opening:
            self._is_closed = True
            if self._archive is not None:
                await self._archive.close()


def _failure(failure: str, message: str) -> Exception:
    if failure == TIMED_OUT:
        return _too_long()
    if failure == OUT_OF_MEMORY:
        return _too_much()
    if failure == FILES_LOST:
        return Unavailable(f"The archive could not be read. {message}", None, 1.0)
    return InvalidQuery(message)


def _too_long() -> QueryTooExpensive:
    return QueryTooExpensive(
        f"The query takes longer than {QUERY_TIMEOUT_S:.0f} s. Narrow it, for example with "
        "WHERE day >= … ."
    )


def _too_much() -> QueryTooExpensive:
    return QueryTooExpensive(
        "The query takes too much memory. Narrow it, for example with WHERE day >= …, or select "
        "fewer and smaller columns."
    )
