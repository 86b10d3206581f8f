"""Rows that have been read and are not in a file yet."""

from datetime import UTC, datetime
from functools import lru_cache

import orjson

from everruns.archive.comparison import Known
from everruns.archive.reading import Read
from everruns.archive.rows import Row, event_row

MAX_BYTES = 32 * 1024 * 1024
"""With so many bytes of rows a batch is full."""

DAY_MS = 86_400_000


class Batch:
    """Gathers rows of events by day, and the newest row of each session.

    Attributes:
        days: The rows of events of each day, as JSON with an end of line.
        sessions: The rows of sessions by id.
    """

    def __init__(self) -> None:
        self.days: dict[str, list[bytes]] = {}
        self.sessions: dict[str, Row] = {}
        self._size_bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether it is to be written before more is added."""
        return self._size_bytes >= MAX_BYTES

    def add(self, read: Read, session: Row | None) -> None:
        """Add a part of a session's log, and the row that its session then has, if it has one."""
        for event in read.events:
            line = orjson.dumps(event_row(event, read.session)) + b"\n"
            self.days.setdefault(day_of(event.ts), []).append(line)
            self._size_bytes += len(line)
        if session is not None:
            self.sessions[read.session.id] = session

    @property
    def known(self) -> dict[str, Known]:
        """What the archive has of the sessions with this batch."""
        return {
            identity: Known(row["events"], row["created_at"], row["updated_at"])
            for identity, row in self.sessions.items()
        }


def day_of(ts: int) -> str:
    """Return the day of a time in milliseconds since the epoch, in UTC, such as ``2026-01-31``."""
    return _day(ts // DAY_MS)


@lru_cache
def _day(number: int) -> str:
    return f"{datetime.fromtimestamp(number * DAY_MS / 1000, UTC):%Y-%m-%d}"
