"""Watching the hosts: which are up, and which sessions each really holds.

Placement is the registry's belief. A long poll asks each host again and again for the digest of
the sessions it holds, so that the death of a host is noticed at once. If its digest is not that of
the belief, the host is asked for the sessions. If belief and answer differ about a session twice in
a row, the belief is corrected or the host releases the session. A host that was silent for so long
that its sessions may have moved must release all of them before it gets new ones.

The correctness of logs does not depend on this: the store refuses what a host appends to a session
that was taken since (see ``SessionStore.take``). It is needed for turns to resume and for readers
to follow.
"""

import asyncio
from collections.abc import Callable, Iterable

import structlog

from everruns.errors import EverrunsError, HostLost
from everruns.registry.registry import Registry
from everruns.registry.reports import Digest, HostReport
from everruns.runtime.feed.streams import FindHost

REPORT_EVERY_S = 5.0
ANSWER_WITHIN_S = 5.0
ADOPT_WITHIN_S = 2.0
# So that the time of each is its own: connecting to a thousand hosts takes seconds.
ADOPT_AT_ONCE = 64
RETRY_S = 0.25

log = structlog.get_logger(__name__)


class HostWatch:
    """Keeps placement consistent with the hosts.

    Args:
        registry: The registry whose placement to correct.
        find_host: Returns a host by its name.
        on_lost: Called when sessions have lost their host.
        on_network: Tells whether there are callers on other nodes, for which hosts take calls from
            the network.

    Attributes:
        changed: Set when a host has come up or been lost.
    """

    def __init__(
        self,
        registry: Registry,
        find_host: FindHost,
        on_lost: Callable[[], None],
        on_network: Callable[[], bool] = lambda: False,
    ) -> None:
        self._registry = registry
        self._placement = registry.placement
        self._find_host = find_host
        self._on_lost = on_lost
        self._on_network = on_network
        self._watching: dict[str, asyncio.Task[None]] = {}
        self.changed = asyncio.Event()

    async def adopt(self, names: Iterable[str]) -> None:
        """Adopt the hosts of an earlier life of the registry, with the sessions they hold.

        Nothing may be placed before this returns. A host that does not answer at once is taken for
        lost: its sessions may be placed elsewhere, and it starts empty when it answers. The hosts
        keep their numbers and go on appending. A session that was taken from its host, or of which
        the log says more than the host, was lost to another one before, and has to leave.
        """
        at_once = asyncio.Semaphore(ADOPT_AT_ONCE)

        async def adopt(name: str) -> None:
            async with at_once:
                await self._adopt(name)

        await asyncio.gather(*map(adopt, names))

    async def _adopt(self, name: str) -> None:
        try:
            host = await self._find_host(name)
            async with asyncio.timeout(ADOPT_WITHIN_S):
                report = await host.report(0, on_network=self._on_network())
                held = await host.heads()
            # The host is not to blame if the store is slow.
            behind = await self._registry.hosting.behind(held)
            self._placement.host_started(name, held.keys() - behind, report.node)
            self._note(name, report)
            if strays := held.keys() - self._placement.hosts[name]:
                async with asyncio.timeout(ADOPT_WITHIN_S):
                    await host.leave(list(strays))
        except (EverrunsError, TimeoutError) as error:
            log.warning("session host not taken over", host=name, error=repr(error))
            self._placement.host_lost(name)
        self.watch(name)

    def watch(self, name: str) -> None:
        """Start to watch a host."""
        if name not in self._watching:
            self._watching[name] = asyncio.create_task(self._watch(name), name=name)

    def forget(self, name: str) -> None:
        """Stop watching a host that is permanently gone."""
        if watching := self._watching.pop(name, None):
            watching.cancel()
        if self._placement.host_stopped(name):
            self._on_lost()

    async def node_lost(self, node: str) -> None:
        """Take the hosts of a node that has gone for lost, without asking them.

        Each is watched anew, because a question to a node that has gone may wait for long.
        """
        for name in self._placement.hosts_on([node]):
            self._watching.pop(name).cancel()
            await self._lost(name, HostLost("Its node has gone."))
            self.watch(name)

    async def empty(self, name: str, leave_by: Callable[[], float | None]) -> bool:
        """Have a host hand on its sessions, and close it: its node is about to go.

        What rests leaves at once. A turn that runs may end there, because what its tools had
        started would be unknown elsewhere; when time is up it is stopped where it stands, and
        resumes on its next host.

        Args:
            name: The host.
            leave_by: Returns when its time is up, on the loop's clock; ``None`` if it is to stay
                after all.

        Returns:
            Whether it has gone; a host that stays takes sessions again.
        """
        try:
            host = await self._find_host(name)
            while left := await host.hand_on():
                until = leave_by()
                if until is None:
                    return False
                if asyncio.get_running_loop().time() > until:
                    break
                await asyncio.sleep(RETRY_S)
            log.info("session host is left", host=name, moved=left)
            await host.close()
        except EverrunsError as error:
            log.warning("session host not emptied", host=name, code=error.code)
        return True

    def close(self) -> None:
        """Stop watching all hosts."""
        for watching in self._watching.values():
            watching.cancel()

    async def _watch(self, name: str) -> None:
        doubtful: set[str] = set()
        while True:
            try:
                if name in self._placement.hosts:
                    report = await self._report(name, REPORT_EVERY_S)
                    doubtful = await self._compare(name, report.held, doubtful)
                else:
                    await self._begin(name)
                    doubtful = set()
            except HostLost as error:
                await self._lost(name, error)
                await asyncio.sleep(RETRY_S)
            except EverrunsError as error:
                log.warning("session host not watched", host=name, code=error.code)
                await asyncio.sleep(RETRY_S)
            except Exception:  # The watch over a host must not end while the registry runs.
                log.exception("session host not watched", host=name)
                await asyncio.sleep(ANSWER_WITHIN_S)

    async def _report(self, name: str, wait_s: float) -> HostReport:
        """Ask a host how it is.

        Raises:
            HostLost: It is gone, or has not answered two questions in time. One is not enough:
                when this process itself was stopped for a while, time passed for its questions.
        """
        host = await self._find_host(name)
        for wait in (wait_s, 0.0):
            try:
                async with asyncio.timeout(wait + ANSWER_WITHIN_S):
                    report = await host.report(wait, on_network=self._on_network())
            except TimeoutError:
                log.info("session host is silent", host=name)
            else:
                self._note(name, report)
                return report
        raise HostLost(f"Session host {name} does not answer.")

    def _note(self, name: str, report: HostReport) -> None:
        self._placement.note_size(name, report.size_bytes)
        self._placement.note_address(name, report.address)

    async def _begin(self, name: str) -> None:
        """Admit a host that is up, for the first time or again; it starts empty."""
        report = await self._report(name, 0)
        if report.held.count:
            host = await self._find_host(name)
            await host.leave(list(await host.heads()))
        self._placement.host_started(name, node=report.node)
        self._placement.note_address(name, report.address)
        log.info("session host is up", host=name, node=report.node, left=report.held.count)
        self.changed.set()

    async def _compare(self, name: str, digest: Digest, before: set[str]) -> set[str]:
        """Resolve doubts that persist since the last answer; return the current doubts.

        Once is not enough: a session that is just being placed, loaded or released is for a moment
        in one place and not in the other.
        """
        if digest == self._placement.digests.get(name):
            return set()
        host = await self._find_host(name)
        held = set(await host.heads())
        doubtful = held ^ self._placement.hosts.get(name, set())
        settled = doubtful & before
        if strays := settled & held:
            log.info("sessions are to leave", host=name, count=len(strays))
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
            # Stored before the sessions become free, because their next host must know.
            await self._registry.hosting.note_lost(sessions)
        except EverrunsError as error:
            log.warning("lost turns not noted", host=name, code=error.code)
        self._placement.host_lost(name)
        self.changed.set()
        self._on_lost()
