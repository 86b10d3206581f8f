"""The reconciler: resumes open turns that no host runs."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import structlog

from everruns.errors import (
    CapacityExhausted,
    Conflict,
    EverrunsError,
    NotFound,
    Overloaded,
    Unavailable,
)
from everruns.log import error_kind
from everruns.registry.hosting import Hosting
from everruns.runtime.feed.streams import FindHost

INTERVAL_S = 3.0
# A turn that was not resumed for a reason that passes is looked for again after so long, and then
# after twice as long each time, up to the interval.
RETRY_S = 0.1
AT_ONCE = 32
# How often to retry a session that cannot be loaded, with doubling delays.
TRIES = 4

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Failed:
    """A session that could not be loaded: how often in a row, and when to try again."""

    times: int
    again_at: float


class Activating(NamedTuple):
    """A turn that is being resumed: by which host, and the call to it."""

    host: str
    task: asyncio.Task[None]


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
        self._activating: dict[str, Activating] = {}
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._wake = asyncio.Event()
        self._retry_s = RETRY_S
        self._retry: asyncio.TimerHandle | None = None
        self._failed: dict[str, Failed] = {}

    def wake(self) -> None:
        """Check at once, because sessions have lost their host."""
        self._wake.set()

    def _wake_soon(self) -> None:
        """Check before the interval is over, because a turn was not resumed."""
        if self._retry is None:
            loop = asyncio.get_running_loop()
            self._retry = loop.call_later(min(self._retry_s, INTERVAL_S), self._try_again)
            self._retry_s = min(2 * self._retry_s, INTERVAL_S)

    def _try_again(self) -> None:
        self._retry = None
        self.wake()

    async def run(self) -> None:
        """Check every few seconds, and when woken, while the registry runs."""
        while True:
            self._wake.clear()
            try:
                await self.look()
            except EverrunsError as error:
                log.warning("reconciler could not look", error=error_kind(error))
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
            if failed and failed.again_at > now:
                continue
            if under_way := self._activating.get(session_id):
                if self._hosting.is_up(under_way.host):
                    continue
                # A call to a host that was lost since may wait for seconds before it fails.
                under_way.task.cancel()
            try:
                host = await self._hosting.place_known(session_id)
            except CapacityExhausted:
                log.info("turns wait for a host")
                self._wake_soon()
                return
            except EverrunsError as error:
                log.warning("turn not resumed", session_id=session_id, error=error_kind(error))
                continue
            task = asyncio.create_task(self._resume(host, session_id))
            self._activating[session_id] = Activating(host, task)
            task.add_done_callback(partial(self._done, session_id))

    def _done(self, session_id: str, task: asyncio.Task[None]) -> None:
        under_way = self._activating.get(session_id)
        if under_way is not None and under_way.task is task:
            del self._activating[session_id]

    async def _resume(self, host: str, session_id: str) -> None:
        try:
            async with self._at_once:
                await (await self._find_host(host)).activate(session_id)
            self._failed.pop(session_id, None)
            self._retry_s = RETRY_S
            self._hosting.note_resumed()
            log.info("turn resumed", session_id=session_id, host=host)
        except (Unavailable, Overloaded, Conflict, NotFound) as error:
            # The cause lies outside the session and is transient. A host that was lost just now may
            # have been lost before this call has failed, so nobody else wakes the reconciler.
            log.warning("turn not resumed", session_id=session_id, error=error_kind(error))
            self._wake_soon()
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
            log.warning(
                "session not quarantined", session_id=session_id, error=error_kind(unstored)
            )
            return
        log.error(
            "session quarantined",
            session_id=session_id,
            turn_id=turn_id,
            error=error_kind(error),
        )

    def close(self) -> None:
        """Cancel pending attempts."""
        if self._retry is not None:
            self._retry.cancel()
        for under_way in self._activating.values():
            under_way.task.cancel()
