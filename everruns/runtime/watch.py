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
from collections.abc import Awaitable, Callable, Collection, Iterable

import structlog

from everruns.errors import EverrunsError, HostLost
from everruns.log import error_kind
from everruns.registry.registry import Registry
from everruns.registry.reports import Digest, HostReport
from everruns.runtime.feed.streams import FindHost
from everruns.telemetry.metrics import HOSTS_LOST

REPORT_EVERY_S = 5.0
ANSWER_WITHIN_S = 5.0
ADOPT_WITHIN_S = 2.0
# A host on a busy machine may be slower; only sessions that it may hold have to wait for it.
ADOPT_LATE_WITHIN_S = 10.0
# So that the time of each is its own: connecting to a thousand hosts takes seconds.
ADOPT_AT_ONCE = 64
RETRY_S = 0.25

log = structlog.get_logger(__name__)


async def _none_up() -> Collection[str]:
    return ()


class HostWatch:
    """Keeps placement consistent with the hosts.

    Args:
        registry: The registry whose placement to correct.
        find_host: Returns a host by its name.
        on_lost: Called when sessions have lost their host.
        on_network: Tells whether there are callers on other nodes, for which hosts take calls from
            the network.
        hosts_up: Returns the names of the hosts whose processes are up, as far as is known of them
            without asking them.

    Attributes:
        changed: Set when a host has come up or been lost.
    """

    def __init__(
        self,
        registry: Registry,
        find_host: FindHost,
        on_lost: Callable[[], None],
        on_network: Callable[[], bool] = lambda: False,
        hosts_up: Callable[[], Awaitable[Collection[str]]] = _none_up,
    ) -> None:
        self._registry = registry
        self._placement = registry.placement
        self._find_host = find_host
        self._on_lost = on_lost
        self._on_network = on_network
        self._hosts_up = hosts_up
        self._adopting: asyncio.Task[None] | None = None
        self._watching: dict[str, asyncio.Task[None]] = {}
        self.changed = asyncio.Event()

    async def adopt(self, names: Iterable[str]) -> None:
        """Adopt the hosts of an earlier life of the registry, with the sessions they hold.

        Nothing may be placed before this returns. The hosts keep their numbers and go on appending.
        A session that was taken from its host, or of which the log says more than the host, was
        lost to another one before, and has to leave.

        A host that does not answer at once is taken for lost if its process is: its sessions may be
        placed elsewhere, and it starts empty when it answers. If its process is up, it is waited
        for, and so are the sessions that it may hold; see ``Hosting.all_known``.
        """
        at_once = asyncio.Semaphore(ADOPT_AT_ONCE)
        late: list[str] = []

        async def adopt(name: str) -> None:
            async with at_once:
                if not await self._adopt(name, ADOPT_WITHIN_S):
                    late.append(name)

        await asyncio.gather(*map(adopt, names))
        for name in late:
            self._placement.host_lost(name)
        if late:
            self._registry.hosting.all_known.clear()
            self._adopting = asyncio.create_task(self._adopt_late(late))

    async def _adopt_late(self, names: Iterable[str]) -> None:
        """Adopt hosts that have not answered at once, as long as their processes are up."""
        attempts = {
            name: asyncio.create_task(self._adopt(name, ADOPT_LATE_WITHIN_S)) for name in names
        }
        try:
            while waiting := {name for name, attempt in attempts.items() if not attempt.done()}:
                await asyncio.wait([attempts[name] for name in waiting], timeout=RETRY_S)
                for name in waiting.difference(await self._hosts_up()):
                    attempts[name].cancel()
        except EverrunsError as error:
            log.warning("session hosts not waited for", error=error_kind(error))
        finally:
            for attempt in attempts.values():
                attempt.cancel()
        adopted = await asyncio.gather(*attempts.values(), return_exceptions=True)
        for name, is_adopted in zip(attempts, adopted, strict=True):
            if is_adopted is not True:
                self._give_up(name, HostLost("It has not answered in time."))
        self._registry.hosting.all_known.set()
        self._on_lost()

    async def _adopt(self, name: str, within_s: float) -> bool:
        """Adopt a host or give it up; return ``False`` if it has not answered in time."""
        try:
            host = await self._find_host(name)
            async with asyncio.timeout(within_s):
                report = await host.report(0, on_network=self._on_network())
                held = await host.heads()
            # The host is not to blame if the store is slow.
            behind = await self._registry.hosting.behind(held)
            self._placement.host_started(name, held.keys() - behind, report.node)
            self._note(name, report)
            if strays := held.keys() - self._placement.hosts[name]:
                async with asyncio.timeout(within_s):
                    await host.leave(list(strays))
        except TimeoutError:
            return False
        except EverrunsError as error:
            self._give_up(name, error)
        self.watch(name)
        return True

    def _give_up(self, name: str, error: EverrunsError) -> None:
        log.warning("session host not taken over", host=name, error=error_kind(error))
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
            log.warning("session host not emptied", host=name, error=error_kind(error))
        return True

    def close(self) -> None:
        """Stop watching all hosts."""
        if self._adopting is not None:
            self._adopting.cancel()
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
                log.warning("session host not watched", host=name, error=error_kind(error))
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
        log.info("session host is up", host=name, about_node=report.node, left=report.held.count)
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
        log.warning("session host lost", host=name, sessions=len(sessions), error=error_kind(lost))
        try:
            # Stored before the sessions become free, because their next host must know.
            await self._registry.hosting.note_lost(sessions)
        except EverrunsError as error:
            log.warning("lost turns not noted", host=name, error=error_kind(error))
        self._placement.host_lost(name)
        self._registry.meters.add(HOSTS_LOST)
        self.changed.set()
        self._on_lost()
