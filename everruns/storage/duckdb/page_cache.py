"""Keeps small what the database caches of its own file, for as long as a store is open."""

from collections.abc import Callable
from threading import Event, Thread

import structlog

from everruns.errors import StoreUnavailable
from everruns.log import error_kind

TRIM_EVERY_S = 30.0
RETRY_S = 0.2

_log = structlog.stdlib.get_logger(__name__)


class PageCache:
    """Trims the cache now and then, in a thread of its own.

    Args:
        trim: Trims it; returns false if it could not, because somebody reads.
    """

    def __init__(self, trim: Callable[[], bool]) -> None:
        self._trim = trim
        self._closing = Event()
        self._thread = Thread(target=self._run, name="page-cache", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        wait_s = TRIM_EVERY_S
        while not self._closing.wait(wait_s):
            wait_s = TRIM_EVERY_S
            try:
                if not self._trim():
                    wait_s = RETRY_S
            except StoreUnavailable as error:
                # Nothing depends on it, and whoever needs the database learns of it as well.
                _log.warning("cache not trimmed", error=error_kind(error))

    def close(self) -> None:
        """Stop, after a trim that is under way."""
        self._closing.set()
        self._thread.join()
