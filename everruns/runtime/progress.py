"""What a running tool says about its progress, on its way to those who follow the session."""

import asyncio

from everruns.domain.tools import ToolCall
from everruns.runtime.session import LiveSession

MAX_CHARACTERS = 500


class ProgressReport:
    """The progress of one call. However often it is updated, only the latest text is on its way.

    Args:
        session: The session.
        call: The call.
    """

    def __init__(self, session: LiveSession, call: ToolCall) -> None:
        self._session = session
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._text = ""
        self._is_on_its_way = False

    def update(self, text: str) -> None:
        """Say how far the call is; can be called in any thread."""
        self._text = text[:MAX_CHARACTERS]
        if not self._is_on_its_way and not self._loop.is_closed():
            self._is_on_its_way = True
            self._loop.call_soon_threadsafe(self._show)

    def _show(self) -> None:
        # In this order, so that a text that comes now is shown too.
        self._is_on_its_way = False
        self._session.report(self._call.id, self._call.name, self._text)
