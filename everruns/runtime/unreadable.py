"""Sessions with an unreadable log, remembered for a while so that retries are cheap.

Folding a damaged log again gives the same error, however often a client retries.
"""

import asyncio

import structlog

from everruns.errors import SessionUnreadable
from everruns.log import error_kind

REMEMBER_S = 10.0
REMEMBERED = 1000

log = structlog.get_logger(__name__)


class UnreadableSessions:
    """The sessions that this host recently failed to read."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def check(self, session_id: str) -> None:
        """Refuse a session that could not be read recently.

        Raises:
            SessionUnreadable: The session failed recently and would fail again.
        """
        until = self._until.get(session_id)
        if until is not None and asyncio.get_running_loop().time() < until:
            raise SessionUnreadable.of(session_id)

    def note(self, session_id: str, error: Exception) -> SessionUnreadable:
        """Remember an unreadable session and log the cause; return the error to raise."""
        if session_id not in self._until:
            # Not its text, which may quote the conversation.
            log.error("session unreadable", session_id=session_id, error=error_kind(error))
        self._until.pop(session_id, None)
        if len(self._until) >= REMEMBERED:
            del self._until[next(iter(self._until))]
        self._until[session_id] = asyncio.get_running_loop().time() + REMEMBER_S
        return SessionUnreadable.of(session_id)
