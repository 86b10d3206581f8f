"""Watching the hosts: which are up, and what each of them really holds.

Placement is what the registry believes. Each host is asked, again and again, for what it holds: a
question that waits a while for its answer, so that a host that dies fails it at once. Where belief
and answer differ twice in a row, belief is set right or the host lets go. A host that was silent
for so long that its sessions may have moved on is told to let go of all of them before it is
trusted with new ones.

Nothing here is needed to keep logs exact: a host that does not hold a session by placement cannot
append to its log (see ``Sessions.append``). It is needed for turns to go on and readers to follow.
"""

import asyncio
from collections.abc import Callable, Iterable

import structlog

from everruns.errors import EverrunsError, HostLost
from everruns.registry.registry import Registry
from everruns.runtime.streams import FindHost

REPORT_EVERY_S = 5.0
ANSWER_WITHIN_S = 5.0
ADOPT_WITHIN_S = 2.0
RETRY_S = 0.25

log = structlog.get_logger(__name__)


class HostWatch:
    """Keeps placement true to the hosts.

    Args:
        registry: Whose placement is kept.
        find_host: Returns a host by its name.
        on_lost: Called when sessions have lost their host.

    Attributes:
        changed: Set when a host has come up or been lost.
    """

    def __init__(
        self, registry: Registry, find_host: FindHost, on_lost: Callable[[], None]
    ) -> None:
        self._registry = registry
        self._placement = registry.placement
        self._find_host = find_host
        self._on_lost = on_lost
        self._watching: dict[str, asyncio.Task[None]] = {}
        self.changed = asyncio.Event()

    async def adopt(self, names: Iterable[str]) -> None:
        """Take over hosts that an earlier life of the registry knew, with what they hold.

        Nothing may be placed before this returns. A host that does not answer at once is taken for
        lost: its sessions may be placed elsewhere, and it begins anew when it answers. A session of
        which the log says more than its host was lost to another one before, and has to leave.
        """
        await asyncio.gather(*map(self._adopt, names))

    async def _adopt(self, name: str) -> None:
        try:
            async with asyncio.timeout(ADOPT_WITHIN_S):
                host = await self._find_host(name)
                held = await host.report(0)
                behind = await self._registry.sessions.behind(held)
                self._placement.host_started(name, held.keys() - behind)
                if strays := held.keys() - self._placement.hosts[name]:
                    await host.leave(list(strays))
        except (EverrunsError, TimeoutError) as error:
            log.warning("session host not taken over", host=name, error=repr(error))
            self._placement.host_lost(name)
        self.watch(name)

    def watch(self, name: str) -> None:
        """Watch a host from now on."""
        if name not in self._watching:
            self._watching[name] = asyncio.create_task(self._watch(name), name=name)

    def forget(self, name: str) -> None:
        """Watch a host no longer: it has gone for good."""
        if watching := self._watching.pop(name, None):
            watching.cancel()
        self._placement.host_stopped(name)

    def close(self) -> None:
        """Watch no host any longer."""
        for watching in self._watching.values():
            watching.cancel()

    async def _watch(self, name: str) -> None:
        doubtful: set[str] = set()
        while True:
            try:
                if name in self._placement.hosts:
                    held = await self._report(name, REPORT_EVERY_S)
                    doubtful = await self._compare(name, held, doubtful)
                else:
                    await self._begin(name)
                    doubtful = set()
            except HostLost as error:
                await self._lost(name, error)
                await asyncio.sleep(RETRY_S)
            except EverrunsError as error:
                log.warning("session host not watched", host=name, code=error.code)
                await asyncio.sleep(RETRY_S)
            except Exception:  # The watch over one host must not end while the registry lives.
                log.exception("session host not watched", host=name)
                await asyncio.sleep(ANSWER_WITHIN_S)

    async def _report(self, name: str, wait_s: float) -> set[str]:
        """Return what a host says it holds.

        Raises:
            HostLost: It is gone, or has not answered two questions in time. One is not enough:
                when this process itself was stopped for a while, time passed for its questions.
        """
        host = await self._find_host(name)
        for wait in (wait_s, 0.0):
            try:
                async with asyncio.timeout(wait + ANSWER_WITHIN_S):
                    return set(await host.report(wait))
            except TimeoutError:
                log.info("session host is silent", host=name)
        raise HostLost(f"Session host {name} does not answer.")

    async def _begin(self, name: str) -> None:
        """Trust a host that is up, for the first time or again; it begins with nothing."""
        held = await self._report(name, 0)
        if held:
            host = await self._find_host(name)
            await host.leave(list(held))
        self._placement.host_started(name)
        log.info("session host is up", host=name, left=len(held))
        self.changed.set()

    async def _compare(self, name: str, held: set[str], before: set[str]) -> set[str]:
        """Settle what was doubtful before and still is; return what is doubtful now.

        Once is not enough: a session that is just being placed, loaded or released is for a moment
        in one place and not in the other.
        """
        doubtful = held ^ self._placement.hosts.get(name, set())
        settled = doubtful & before
        if strays := settled & held:
            log.info("sessions are to leave", host=name, count=len(strays))
            host = await self._find_host(name)
            await host.leave(list(strays))
        for session_id in settled - held:
            log.info("session is not held", host=name, session_id=session_id)
            self._placement.release(session_id, name)
            self._on_lost()
        return doubtful - settled

    async def _lost(self, name: str, lost: HostLost) -> None:
        if name not in self._placement.hosts:
            return
        sessions = set(self._placement.hosts[name])
        log.warning("session host lost", host=name, sessions=len(sessions), error=str(lost))
        try:
            # Before they are free: who loads one of them next has to know.
            await self._registry.sessions.note_lost(sessions)
        except EverrunsError as error:
            log.warning("lost turns not noted", host=name, code=error.code)
        self._placement.host_lost(name)
        self.changed.set()
        self._on_lost()
