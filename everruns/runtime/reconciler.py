"""The reconciler: resumes open turns that no host runs."""

import asyncio
from dataclasses import dataclass

import structlog

from everruns.errors import (
    CapacityExhausted,
    Conflict,
    EverrunsError,
    NotFound,
    Overloaded,
    Unavailable,
)
from everruns.registry.hosting import Hosting
from everruns.runtime.feed.streams import FindHost

INTERVAL_S = 3.0
AT_ONCE = 32
# How often to retry a session that cannot be loaded, with doubling delays.
TRIES = 4

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Failed:
    """A session that could not be loaded: how often in a row, and when to try again."""

    times: int
    again_at: float


class Reconciler:
    """Finds open turns that no host holds and has them resumed, concurrently.

    A session that repeatedly cannot be loaded is quarantined: its turn ends as failed.

    Args:
        hosting: Which host holds which session.
        find_host: Returns a host by its name.
    """

    def __init__(self, hosting: Hosting, find_host: FindHost) -> None:
        self._hosting = hosting
        self._find_host = find_host
        self._activating: dict[str, asyncio.Task[None]] = {}
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._wake = asyncio.Event()
        self._failed: dict[str, Failed] = {}

    def wake(self) -> None:
        """Check at once, because sessions have lost their host."""
        self._wake.set()

    async def run(self) -> None:
        """Check every few seconds, and when woken, while the registry runs."""
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
        """Place every unplaced session with an open turn, and have its turn resumed."""
        abandoned = await self._hosting.abandoned()
        still_open = {*abandoned, *self._activating}
        self._failed = {name: self._failed[name] for name in still_open & self._failed.keys()}
        now = asyncio.get_running_loop().time()
        for session_id in abandoned:
            failed = self._failed.get(session_id)
            if session_id in self._activating or (failed and failed.again_at > now):
                continue
            try:
                host, _ = await self._hosting.place(session_id)
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
            self._failed.pop(session_id, None)
            log.info("turn resumed", session_id=session_id, host=host)
        except (Unavailable, Overloaded, Conflict, NotFound) as error:
            # The cause lies outside the session and is transient.
            log.warning("turn not resumed", session_id=session_id, code=error.code)
        except Exception as error:  # noqa: BLE001 - one session must not stop the others
            await self._note_failure(session_id, error)

    async def _note_failure(self, session_id: str, error: Exception) -> None:
        earlier = self._failed.get(session_id)
        times = earlier.times + 1 if earlier else 1
        wait_s = INTERVAL_S * 2 ** (times - 1)
        self._failed[session_id] = Failed(times, asyncio.get_running_loop().time() + wait_s)
        if times < TRIES:
            return
        try:
            turn_id = await self._hosting.quarantine(session_id)
        except EverrunsError as unstored:
            log.warning("session not quarantined", session_id=session_id, code=unstored.code)
            return
        log.error(
            "session quarantined",
            session_id=session_id,
            turn_id=turn_id,
            error=type(error).__name__,
        )

    def close(self) -> None:
        """Cancel pending attempts."""
        for task in self._activating.values():
            task.cancel()
