"""The reconciler: no turn stays open that nobody runs."""

import asyncio

import structlog

from everruns.errors import CapacityExhausted, EverrunsError
from everruns.registry.sessions import Sessions
from everruns.runtime.streams import FindHost

INTERVAL_S = 3.0
AT_ONCE = 32

log = structlog.get_logger(__name__)


class Reconciler:
    """Finds open turns that no host holds and has them taken up, side by side.

    Args:
        sessions: The registry's sessions.
        find_host: Returns a host by its name.
    """

    def __init__(self, sessions: Sessions, find_host: FindHost) -> None:
        self._sessions = sessions
        self._find_host = find_host
        self._activating: dict[str, asyncio.Task[None]] = {}
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look at once: sessions have lost their host."""
        self._wake.set()

    async def run(self) -> None:
        """Look every few seconds, and when woken, for as long as the registry lives."""
        while True:
            self._wake.clear()
            try:
                await self.look()
            except EverrunsError as error:
                log.warning("reconciler could not look", code=error.code)
            try:
                async with asyncio.timeout(INTERVAL_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Place every session whose turn is open and unplaced, and have its turn taken up."""
        for session_id in await self._sessions.abandoned():
            if session_id in self._activating:
                continue
            try:
                host = await self._sessions.place(session_id)
            except CapacityExhausted:
                log.info("turns wait for a host")
                return
            except EverrunsError as error:
                log.warning("turn not resumed", session_id=session_id, code=error.code)
                continue
            task = asyncio.create_task(self._resume(host, session_id))
            self._activating[session_id] = task
            task.add_done_callback(lambda _, done=session_id: self._activating.pop(done))

    async def _resume(self, host: str, session_id: str) -> None:
        try:
            async with self._at_once:
                await (await self._find_host(host)).activate(session_id)
            log.info("turn resumed", session_id=session_id, host=host)
        except EverrunsError as error:
            log.warning("turn not resumed", session_id=session_id, code=error.code)
        except Exception:  # One session that cannot be loaded must not keep the others waiting.
            log.exception("turn not resumed", session_id=session_id)

    def close(self) -> None:
        """Give up what is under way."""
        for task in self._activating.values():
            task.cancel()
