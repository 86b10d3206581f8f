"""What a registry talks to in a cluster of a hundred nodes, in one process: hosts and callers.

Calls travel as between nodes, over TLS. The hosts answer at once and hold sessions in name only, so
the cost of this process says nothing about real ones.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

import uvloop

from actors.calls.channels import ReconnectingChannel
from actors.calls.direct import DirectConnection, DirectServer
from actors.calls.dispatch import dispatch
from actors.calls.registry_stub import registry_stub
from everruns.address import Address
from everruns.domain.sessions import SessionInput
from everruns.registry.registry import Registry
from everruns.registry.reports import Digest, HostReport
from everruns.remote import Repeat, remote
from everruns.runtime.host import SessionHost
from everruns.storage.logs import LogHead
from everruns.storage.sessions import SessionQuery

AT_ONCE = 16
NODE = "others"
CALLERS = "callers"
# Whatever the store says, no session was taken from these hosts.
NEWEST = LogHead(1 << 40, 1 << 40)


@dataclass(frozen=True)
class HeldBy:
    """The sessions of one host.

    Attributes:
        host: Its name.
        node: Its node.
        session_ids: What it holds.
    """

    host: str
    node: str
    session_ids: Sequence[str]


class NamedHost(SessionHost):
    """A host that holds sessions in name only."""

    def __init__(self, held: HeldBy) -> None:
        self._heads = dict.fromkeys(held.session_ids, NEWEST)
        self._report = HostReport(Digest.of(held.session_ids), 50_000 * len(self._heads), held.node)

    @remote(Repeat.YES)
    async def report(self, wait_s: float, *, on_network: bool = False) -> HostReport:
        del on_network
        await asyncio.sleep(wait_s)
        return self._report

    @remote(Repeat.YES)
    async def heads(self) -> Mapping[str, LogHead]:
        return self._heads

    @remote(Repeat.YES)
    async def leave(self, session_ids: Sequence[str]) -> None:
        for session_id in session_ids:
            del self._heads[session_id]
        held = Digest.of(self._heads)
        self._report = replace(self._report, held=held)

    @remote(Repeat.YES)
    async def activate(self, session_id: str) -> None:
        del session_id


class Callers:
    """Session actors and replicas, as the registry sees them: by their calls."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    @remote(Repeat.NO, timeout_s=600)
    async def call(self, what: str, ids: Sequence[str], host: str) -> None:
        """Make one call for each id, a few at a time."""
        hosting, sessions = self._registry.hosting, self._registry.sessions

        async def begin(title: str) -> None:
            session = await sessions.create(SessionInput(title=title))
            await hosting.place_loaded(session.id)

        calls: dict[str, Callable[[str], Awaitable[object]]] = {
            "send": hosting.place_loaded,
            "place": hosting.place,
            "claim": lambda one: hosting.claim(one, host),
            "release": lambda one: hosting.release(one, host),
            "size": lambda _: hosting.note_size(host, 1_000_000),
            "begin": begin,
            "list": lambda _: sessions.list(SessionQuery(limit=20)),
        }
        waiting = iter(ids)

        async def caller() -> None:
            for one in waiting:
                await calls[what](one)

        await asyncio.gather(*(caller() for _ in range(AT_ONCE)))


def channel_to(address: Address, node: str) -> ReconnectingChannel:
    """Return the way to another process from this node."""
    return ReconnectingChannel(lambda: DirectConnection.connect(address, node))


def run_others(parent: Connection, registry: Address, hosts: Sequence[HeldBy]) -> None:
    """Be a process with these hosts and callers until the parent hangs up."""
    uvloop.run(_run(parent, registry, hosts))


async def _run(parent: Connection, registry: Address, hosts: Sequence[HeldBy]) -> None:
    targets: dict[str, object] = {held.host: NamedHost(held) for held in hosts}
    targets[CALLERS] = Callers(registry_stub(channel_to(registry, NODE)))

    async def find_targets() -> Mapping[str, object]:
        return targets

    server = DirectServer(lambda request: dispatch(find_targets, request), NODE)
    parent.send(await server.address(on_network=True))
    await asyncio.to_thread(parent.poll, None)
    await server.close()
