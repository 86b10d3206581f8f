"""Hibernation: a session that nobody uses leaves the memory of its host."""

import asyncio

import structlog

from everruns.errors import EverrunsError
from everruns.log import error_kind
from everruns.registry.hosting import Hosting
from everruns.runtime.feed.feeds import Feeds
from everruns.runtime.held import HeldSessions
from everruns.telemetry.meters import Meters
from everruns.telemetry.metrics import HIBERNATIONS

LONGEST_INTERVAL_S = 5.0

log = structlog.get_logger(__name__)


class Hibernation:
    """Releases the sessions of one host that have neither turn nor reader.

    Args:
        name: The host's name in placement.
        held: Its sessions.
        feeds: The feeds of their readers.
        hosting: Learns how large the rest is.
        after_s: Seconds after which an idle session is released.
        meters: Count what was released.
    """

    def __init__(
        self,
        name: str,
        held: HeldSessions,
        feeds: Feeds,
        hosting: Hosting,
        after_s: float,
        meters: Meters,
    ) -> None:
        self._name = name
        self._held = held
        self._feeds = feeds
        self._hosting = hosting
        self._after_s = after_s
        self._meters = meters

    async def run(self) -> None:
        """Release idle sessions while the host runs."""
        interval_s = min(LONGEST_INTERVAL_S, self._after_s / 2)
        while True:
            await asyncio.sleep(interval_s)
            try:
                await self.release(self._after_s)
            except EverrunsError as error:
                log.warning("sessions not released", host=self._name, error=error_kind(error))

    async def release(self, quiet_s: float) -> int:
        """Release sessions that had no turn or reader for so many seconds; return how many."""
        self._feeds.forget_silent()
        quiet_since = asyncio.get_running_loop().time() - quiet_s
        quiet = [session for session in self._held.quiet if session.touched <= quiet_since]
        # What an append outside a turn has closed when it failed: nobody else lets go of it.
        closed = [session for session in self._held.loaded.values() if session.is_left_over]
        await self._held.close_all([*quiet, *closed])
        self._meters.add(HIBERNATIONS, amount=len(quiet))
        if quiet or closed:
            await self._hosting.note_size(self._name, self._held.size_bytes)
        return len(quiet) + len(closed)
