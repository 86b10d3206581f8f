"""Reading sessions and their logs in small answers, with pauses for the store's other callers."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from everruns.domain.events import Event
from everruns.registry.history import MAX_ENTRIES, MAX_HEADS, MAX_STRETCHES, History
from everruns.storage.history import HeadQuery, SessionEntry, SessionHead, Stretch, Totals

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Read:
    """A part of a session's log.

    Attributes:
        session: The session.
        events: The events that follow what was read of it before; none if only the session has
            changed.
    """

    session: SessionEntry
    events: Sequence[Event]


async def read_heads(history: History, query: HeadQuery) -> tuple[dict[str, SessionHead], Totals]:
    """Return all heads that match a query, and the totals of all sessions after that."""
    heads: dict[str, SessionHead] = {}
    query = replace(query, limit=MAX_HEADS)
    while True:
        page = await paced(history.heads(query))
        heads.update({head.id: head for head in page.heads})
        if len(page.heads) < MAX_HEADS:
            return heads, page.totals
        query = replace(query, after=page.heads[-1].id)


async def read_existing(history: History, session_ids: Iterable[str]) -> dict[str, SessionEntry]:
    """Return those of the sessions that exist."""
    found: dict[str, SessionEntry] = {}
    wanted = [*session_ids]
    for start in range(0, len(wanted), MAX_ENTRIES):
        entries = await paced(history.entries(wanted[start : start + MAX_ENTRIES]))
        found.update({entry.id: entry for entry in entries})
    return found


async def read_stretches(history: History, stretches: Sequence[Stretch]) -> AsyncIterator[Read]:
    """Read sessions and stretches of their logs.

    A session whose stretch is empty comes without events, and one that is deleted meanwhile comes
    not at all, or not to its end.
    """
    for start in range(0, len(stretches), MAX_STRETCHES):
        some = stretches[start : start + MAX_STRETCHES]
        entries = await read_existing(history, [stretch.session_id for stretch in some])
        there = [stretch for stretch in some if stretch.session_id in entries]
        for stretch in there:
            if stretch.after >= stretch.until:
                yield Read(entries[stretch.session_id], ())
        left = [stretch for stretch in there if stretch.after < stretch.until]
        while left:
            events = await paced(history.events(left))
            by_session: dict[str, list[Event]] = {}
            for event in events:
                by_session.setdefault(event.session_id, []).append(event)
            for session_id, found in by_session.items():
                yield Read(entries[session_id], found)
            left = remaining(left, by_session)


def remaining(wanted: Sequence[Stretch], read: dict[str, list[Event]]) -> list[Stretch]:
    """Return what is left of stretches after some of their events were read, in order.

    A stretch of which nothing was read, though something after it was, is of a deleted session; so
    are all, if nothing was read.
    """
    last = max(
        (place for place, stretch in enumerate(wanted) if stretch.session_id in read),
        default=len(wanted),
    )
    left = list(wanted[last + 1 :])
    if last < len(wanted):
        stretch = wanted[last]
        reached = read[stretch.session_id][-1].sequence
        if reached < stretch.until:
            left.insert(0, replace(stretch, after=reached))
    return left


async def paced(call: Awaitable[Answer]) -> Answer:
    """Return the answer to a call, after a pause as long as the call took.

    The store's other callers then find it free half of the time, however much there is to read.
    """
    begin = time.monotonic()
    answer = await call
    await asyncio.sleep(time.monotonic() - begin)
    return answer
