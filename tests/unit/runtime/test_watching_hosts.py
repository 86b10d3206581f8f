"""Watching hosts that do something nobody foresaw."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from everruns.address import Address, Endpoint
from everruns.capabilities.registry import load_capabilities
from everruns.domain.sessions import SessionInput
from everruns.errors import EverrunsError, HostLost, PlacedElsewhere
from everruns.registry.hosting import Location
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.registry.reports import Digest, HostReport
from everruns.runtime import watch as room
from everruns.runtime.watch import HostWatch
from everruns.storage.logs import FIRST_HOLDER, LogHead
from everruns.storage.memory.store import MemoryStore
from tests.waiting import eventually

HERE = Address(Path("socket"), b"secret", "node")
ON_NETWORK = replace(HERE, endpoint=Endpoint("192.0.2.1", 20_000, b"fingerprint"))


class Host:
    """A host that fails a few times and then tells what it holds: nothing at first."""

    def __init__(self, failures: int) -> None:
        self._failures = failures
        self.holds: set[str] = set()
        self.reports = 0
        self.lists = 0
        self.at_work = 0
        self.is_closed = False

    async def report(self, wait_s: float, *, on_network: bool) -> HostReport:
        await asyncio.sleep(wait_s)
        if self._failures:
            self._failures -= 1
            raise EverrunsError("Something went wrong in a part of the server.")
        self.reports += 1
        return HostReport(Digest.of(self.holds), 0, address=ON_NETWORK if on_network else HERE)

    async def heads(self) -> dict[str, LogHead]:
        self.lists += 1
        return dict.fromkeys(self.holds, LogHead(0, FIRST_HOLDER))

    async def hand_on(self) -> int:
        left = self.at_work
        self.at_work = max(0, left - 1)
        return left

    async def close(self) -> None:
        self.is_closed = True

    async def leave(self, session_ids: Sequence[str]) -> None:
        self.holds.difference_update(session_ids)


@pytest.fixture
def far_callers() -> list[str]:
    """Who calls from other nodes."""
    return []


@pytest.fixture
def host() -> Host:
    return Host(failures=2)


@pytest.fixture
async def watch(host: Host, far_callers: list[str]):
    async def find_host(_name: str) -> Host:
        return host

    registry = Registry(MemoryStore(), load_capabilities(), Placement(10, 1, 4))
    watch = HostWatch(registry, find_host, lambda: None, lambda: bool(far_callers))
    yield watch
    watch.close()
    await registry.close()


async def test_a_host_that_fails_when_it_is_taken_over_is_trusted_once_it_answers(watch: HostWatch):
    await watch.adopt(["host"])
    assert watch._placement.hosts == {}
    await eventually(lambda: "host" in watch._placement.hosts)


async def test_the_hosts_of_a_node_that_has_gone_are_lost_without_being_asked(watch: HostWatch):
    placement = watch._placement
    for name, node in (("near", "n0"), ("far", "n1")):
        placement.host_started(name, node=node)
        watch.watch(name)
    assert placement.claim("session_1", "far")
    await watch.node_lost("n1")
    assert placement.hosts.keys() == {"near"}
    assert placement.find("session_1") is None
    await eventually(lambda: "far" in placement.hosts)


@pytest.mark.parametrize(("at_work", "patience_s", "asked"), [(2, 60, 3), (1000, 0, 1)])
async def test_a_host_is_emptied_before_it_is_left_but_not_waited_for_without_end(
    watch: HostWatch, host: Host, at_work: int, patience_s: float, asked: int
):
    host.at_work = at_work
    watch._placement.host_started("host", node="n0")
    watch.watch("host")
    assert watch._placement.claim("session_1", "host")
    until = asyncio.get_running_loop().time() + patience_s
    assert await watch.empty("host", lambda: until)
    assert host.is_closed
    assert at_work - host.at_work == min(asked, at_work)
    watch.forget("host")
    assert watch._placement.hosts == {}
    assert watch._placement.starting == set()
    assert watch._placement.find("session_1") is None


async def test_a_host_that_is_to_stay_after_all_is_not_closed(watch: HostWatch, host: Host):
    host.at_work = 2
    assert not await watch.empty("host", lambda: None)
    assert not host.is_closed


async def test_a_host_that_was_never_watched_can_be_forgotten(watch: HostWatch):
    watch._placement.host_starting("host")
    watch.forget("host")
    assert watch._placement.starting == set()


async def test_who_loads_a_session_of_a_lost_host_knows_what_was_lost_with_it(watch: HostWatch):
    placement, hosting = watch._placement, watch._registry.hosting
    placement.host_started("host")
    assert placement.claim("session_1", "host")
    note_lost, noted = hosting.note_lost, []

    async def note(session_ids: set[str]) -> None:
        noted.append((session_ids, placement.find("session_1")))
        await note_lost(session_ids)

    hosting.note_lost = note
    await watch._lost("host", HostLost("It has gone."))
    assert noted == [({"session_1"}, "host")]
    assert placement.find("session_1") is None


async def test_placement_tells_where_a_host_takes_calls_as_it_is_now(
    watch: HostWatch, far_callers: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(room, "REPORT_EVERY_S", 0.01)
    placement = watch._placement
    watch.watch("host")
    await eventually(lambda: placement.addresses == {"host": HERE})
    session = await watch._registry.sessions.create(SessionInput())
    assert await watch._registry.hosting.place(session.id) == Location("host", HERE)
    location, loaded = await watch._registry.hosting.place_loaded(session.id)
    assert (location, loaded) == (Location("host", HERE), None)
    far_callers.append("a replica")
    await eventually(lambda: placement.addresses == {"host": ON_NETWORK})
    await watch._lost("host", HostLost("It has gone."))
    assert placement.addresses == {}


async def test_an_adopted_host_is_asked_for_its_address(watch: HostWatch, far_callers: list[str]):
    far_callers.append("a replica")
    for _ in range(3):  # It fails twice.
        await watch._adopt("host", room.ADOPT_WITHIN_S)
    assert watch._placement.addresses == {"host": ON_NETWORK}


async def agreed(watch: HostWatch, host: Host, *session_ids: str) -> None:
    """Have the host up, with these sessions on it, as it and the registry both know."""
    watch.watch("host")
    await eventually(lambda: "host" in watch._placement.hosts)
    for session_id in session_ids:
        assert watch._placement.claim(session_id, "host")
    host.holds.update(session_ids)
    # What was asked before may be answered with what was held before.
    reports = host.reports
    await eventually(lambda: host.reports > reports + 2)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch):
    """Hosts report without a pause worth mentioning."""
    monkeypatch.setattr(room, "REPORT_EVERY_S", 0.001)


@pytest.mark.usefixtures("often")
async def test_a_host_that_holds_what_was_placed_on_it_is_not_asked_for_a_list(
    watch: HostWatch, host: Host
):
    await agreed(watch, host, "session_1", "session_2")
    lists, reports = host.lists, host.reports
    await eventually(lambda: host.reports > reports + 5)
    assert host.lists == lists


@pytest.mark.usefixtures("often")
async def test_what_its_host_does_not_hold_is_placed_nowhere_any_more(watch: HostWatch, host: Host):
    await agreed(watch, host, "session_1", "session_2")
    host.holds.remove("session_1")
    await eventually(lambda: watch._placement.find("session_1") is None)
    assert watch._placement.find("session_2") == "host"


@pytest.mark.usefixtures("often")
async def test_what_a_host_holds_and_was_not_placed_there_leaves_it(watch: HostWatch, host: Host):
    await agreed(watch, host, "session_1", "session_2")
    host.holds.add("session_3")
    await eventually(lambda: host.holds == {"session_1", "session_2"})


@pytest.mark.usefixtures("often")
async def test_as_many_sessions_are_not_the_same_sessions(watch: HostWatch, host: Host):
    await agreed(watch, host, "session_1")
    host.holds = {"session_2"}
    await eventually(lambda: watch._placement.find("session_1") is None and not host.holds)


async def test_a_registry_that_starts_anew_asks_each_host_what_it_holds(
    watch: HostWatch, host: Host
):
    for number in range(3):
        session = await watch._registry.sessions.create(SessionInput(title=f"{number}"))
        host.holds.add(session.id)
    for _ in range(3):  # It fails twice.
        await watch._adopt("host", room.ADOPT_WITHIN_S)
    assert watch._placement.hosts == {"host": host.holds}
    assert watch._placement.digests == {"host": Digest.of(host.holds)}


async def test_a_host_that_comes_back_with_sessions_has_to_leave_them_all(
    watch: HostWatch, host: Host
):
    host.holds = {"session_1"}
    watch.watch("host")
    await eventually(lambda: "host" in watch._placement.hosts)
    assert host.holds == set()
    assert watch._placement.hosts == {"host": set()}


async def test_a_host_is_taken_over_with_its_sessions_however_slow_the_store_is(
    watch: HostWatch, host: Host, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(room, "ADOPT_WITHIN_S", 0.05)
    hosting, host._failures = watch._registry.hosting, 0
    session = await watch._registry.sessions.create(SessionInput())
    host.holds.add(session.id)
    behind = hosting.behind

    async def slowly(known: Mapping[str, LogHead]) -> set[str]:
        await asyncio.sleep(2 * room.ADOPT_WITHIN_S)
        return await behind(known)

    hosting.behind = slowly
    await watch.adopt(["host"])
    assert watch._placement.find(session.id) == "host"


async def test_of_many_hosts_a_few_at_a_time_are_taken_over_so_that_each_has_its_time(
    watch: HostWatch, host: Host, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(room, "ADOPT_AT_ONCE", 2)
    host._failures, adopt, asked = 0, watch._adopt, set[str]()

    async def counted(name: str, within_s: float) -> bool:
        asked.add(name)
        assert len(asked) <= room.ADOPT_AT_ONCE
        is_adopted = await adopt(name, within_s)
        asked.remove(name)
        return is_adopted

    watch._adopt = counted
    names = {f"host-{number}" for number in range(6)}
    await watch.adopt(names)
    assert watch._placement.hosts.keys() == names


class SlowHost(Host):
    """A host that answers when it is allowed to."""

    def __init__(self) -> None:
        super().__init__(failures=0)
        self.answers = asyncio.Event()

    async def report(self, wait_s: float, *, on_network: bool) -> HostReport:
        await self.answers.wait()
        return await super().report(wait_s, on_network=on_network)


@pytest.fixture
def up() -> set[str]:
    """The hosts whose processes are up."""
    return {"host"}


@pytest.fixture
async def late(up: set[str], monkeypatch: pytest.MonkeyPatch):
    """A watch over a host of an earlier life that has not answered at once."""
    monkeypatch.setattr(room, "ADOPT_WITHIN_S", 0.02)
    monkeypatch.setattr(room, "RETRY_S", 0.01)
    slow = SlowHost()

    async def find_host(_name: str) -> Host:
        return slow

    async def hosts_up() -> set[str]:
        return up

    registry = Registry(MemoryStore(), load_capabilities(), Placement(10, 1, 4))
    watch = HostWatch(registry, find_host, lambda: None, hosts_up=hosts_up)
    yield watch, slow
    watch.close()
    await registry.close()


Late = tuple[HostWatch, SlowHost]


async def known_session(watch: HostWatch) -> str:
    """A session that an earlier life of the registry has created."""
    session = await watch._registry.sessions.create(SessionInput())
    watch._registry.logs.forget(session.id)
    return session.id


async def test_a_session_waits_for_a_late_host_that_may_hold_it(late: Late):
    watch, slow = late
    session_id = await known_session(watch)
    slow.holds.add(session_id)
    await watch.adopt(["host"])
    watch._placement.host_started("other")
    placing = asyncio.create_task(watch._registry.hosting.place_loaded(session_id))
    slow.answers.set()
    location, loaded = await placing
    assert (location.host, loaded) == ("host", None)


async def test_a_late_host_does_not_hold_up_new_sessions(late: Late):
    watch, _slow = late
    await watch.adopt(["host"])
    watch._placement.host_started("other")
    session = await watch._registry.sessions.create(SessionInput())
    assert (await watch._registry.hosting.place(session.id)).host == "other"


async def test_a_host_does_not_get_a_session_that_a_late_one_holds(late: Late):
    watch, slow = late
    session_id = await known_session(watch)
    slow.holds.add(session_id)
    await watch.adopt(["host"])
    watch._placement.host_started("other")
    claiming = asyncio.create_task(watch._registry.hosting.claim(session_id, "other"))
    slow.answers.set()
    with pytest.raises(PlacedElsewhere):
        await claiming


async def test_a_late_host_is_given_up_when_its_process_ends(late: Late, up: set[str]):
    watch, _slow = late
    session_id = await known_session(watch)
    await watch.adopt(["host"])
    watch._placement.host_started("other")
    placing = asyncio.create_task(watch._registry.hosting.place(session_id))
    up.clear()
    assert (await placing).host == "other"


async def test_a_host_that_stays_silent_is_given_up(late: Late, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(room, "ADOPT_LATE_WITHIN_S", 0.05)
    watch, _slow = late
    session_id = await known_session(watch)
    await watch.adopt(["host"])
    watch._placement.host_started("other")
    assert (await watch._registry.hosting.place(session_id)).host == "other"
