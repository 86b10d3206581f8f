"""Placement: who holds what, under every order of events."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from everruns.errors import CapacityExhausted
from everruns.registry.placement import Placement
from everruns.registry.reports import Digest

HOSTS = [f"h{number}" for number in range(5)]
SESSIONS = [f"s{number}" for number in range(12)]
NODES = ["n0", "n1", "n2"]
FULL_BYTES = 12
hosts = st.sampled_from(HOSTS)
nodes = st.sampled_from(NODES)
sessions = st.sampled_from(SESSIONS)


class PlacementMachine(RuleBasedStateMachine):
    """Compares placement with plain dictionaries, and with the rule that looks at every host."""

    @initialize(cap=st.integers(1, 4), warm=st.integers(1, 3), most=st.integers(1, 5))
    def begin(self, cap: int, warm: int, most: int) -> None:
        self.placement = Placement(cap, warm, most, FULL_BYTES)
        self.sizes: dict[str, int] = {}
        self.holder: dict[str, str] = {}
        self.up: dict[str, str] = {}
        self.leaving: set[str] = set()
        self.cap, self.warm, self.most = cap, warm, most

    def load(self, host: str) -> int:
        return list(self.holder.values()).count(host)

    def fullness(self, host: str) -> float:
        return max(self.load(host) / self.cap, self.sizes[host] / FULL_BYTES)

    def load_of(self, node: str) -> int:
        return sum(self.load(host) for host, its_node in self.up.items() if its_node == node)

    @property
    def staying(self) -> list[str]:
        return [host for host, node in self.up.items() if node not in self.leaving]

    def lose(self, host: str) -> None:
        self.up.pop(host, None)
        self.sizes.pop(host, None)
        self.holder = {key: value for key, value in self.holder.items() if value != host}

    @rule(session=sessions)
    def place(self, session: str) -> None:
        fullness = [self.fullness(host) for host in self.staying]
        if session not in self.holder and (not fullness or min(fullness) >= 1):
            with pytest.raises(CapacityExhausted):
                self.placement.place(session)
            return
        host = self.placement.place(session)
        if session not in self.holder:
            assert host in self.staying
            assert self.fullness(host) == min(fullness), "the least full host comes first"
            equal = [other for other in self.staying if self.fullness(other) == min(fullness)]
            assert self.load_of(self.up[host]) == min(
                self.load_of(self.up[other]) for other in equal
            ), "and among equals the one on the least loaded node"
        assert self.holder.setdefault(session, host) == host

    @rule(session=sessions, host=hosts)
    def claim(self, session: str, host: str) -> None:
        has_room = host in self.staying and self.fullness(host) < 1
        if session not in self.holder and has_room:
            self.holder[session] = host
        assert self.placement.claim(session, host) == (self.holder.get(session) == host)

    @rule(session=sessions, host=st.none() | hosts)
    def release(self, session: str, host: str | None) -> None:
        self.placement.release(session, host)
        holder = self.holder.get(session)
        if holder is not None and host in {None, holder}:
            self.sizes[holder] -= self.sizes[holder] // self.load(holder)
            del self.holder[session]

    @rule(host=hosts, size=st.integers(0, FULL_BYTES + 1))
    def a_host_reports_its_size(self, host: str, size: int) -> None:
        self.placement.note_size(host, size)
        if host in self.up:
            self.sizes[host] = size

    @rule(host=hosts, size=st.integers(0, FULL_BYTES // 2))
    def a_host_loads_a_session(self, host: str, size: int) -> None:
        self.placement.note_growth(host, size)
        if host in self.up:
            self.sizes[host] += size

    @rule()
    def start_wanted_hosts(self) -> None:
        taken = self.up.keys() | self.placement.starting | self.placement.overdue
        free = [host for host in HOSTS if host not in taken]
        wanted = self.placement.hosts_to_start()
        for host in free[:wanted]:
            self.placement.host_starting(host)
        assert self.placement.hosts_to_start() == max(0, wanted - len(free))
        if wanted:
            assert len({*self.staying} | self.placement.starting) <= self.most

    @rule(host=hosts)
    def host_lost(self, host: str) -> None:
        held = {key for key, value in self.holder.items() if value == host}
        assert self.placement.host_lost(host) == held
        assert host in self.placement.starting, "it is expected back"
        self.lose(host)

    @rule(host=hosts)
    def host_overdue(self, host: str) -> None:
        if host not in self.placement.starting:
            return
        before = self.placement.hosts_to_start()
        self.placement.host_overdue(host)
        assert self.placement.hosts_to_start() >= before, "another one takes its place"

    @rule(leaving=st.sets(nodes, max_size=2))
    def nodes_leave(self, leaving: set[str]) -> None:
        self.leaving = leaving
        self.placement.note_leaving(leaving)

    @rule(host=hosts)
    def host_stopped(self, host: str) -> None:
        held = {key for key, value in self.holder.items() if value == host}
        assert self.placement.host_stopped(host) == held
        assert host not in self.placement.starting
        self.lose(host)

    @rule(host=hosts, node=nodes, held=st.sets(sessions, max_size=4))
    def host_started(self, host: str, node: str, held: set[str]) -> None:
        held = set(sorted(held)[: self.cap])
        self.placement.host_started(host, held, node)
        self.lose(host)
        self.up[host] = node
        self.sizes[host] = 0
        for session in held:
            self.holder.setdefault(session, host)

    @invariant()
    def everyone_agrees_who_holds_what(self) -> None:
        if not hasattr(self, "placement"):
            return
        assert set(self.placement.hosts) == self.up.keys()
        for node in NODES:
            on_it = {host for host in self.up if self.up[host] == node}
            assert set(self.placement.hosts_on([node])) == on_it
        for session in SESSIONS:
            assert self.placement.find(session) == self.holder.get(session)
        for host, held in self.placement.hosts.items():
            assert held == {key for key, value in self.holder.items() if value == host}
            assert self.placement.digests[host] == Digest.of(held)

    @invariant()
    def no_host_is_over_the_cap(self) -> None:
        for host in getattr(self, "up", ()):
            assert self.load(host) <= self.cap

    @invariant()
    def room_and_warm_hosts_are_counted(self) -> None:
        if not hasattr(self, "placement"):
            return
        empty = [self.load(host) for host in self.staying].count(0)
        assert self.placement.has_room == any(self.fullness(host) < 1 for host in self.staying)
        to_stop = self.placement.hosts_to_stop()
        assert len(to_stop) == max(0, empty - self.warm)
        uses = [self.load_of(self.up[host]) for host in to_stop]
        assert uses == sorted(uses), "what leaves a node soonest comes first"
        if self.placement.hosts_to_start():
            assert empty + len(self.placement.starting) < self.warm


PlacementMachine.TestCase.settings = settings(
    max_examples=200, stateful_step_count=50, deadline=None
)
TestPlacement = PlacementMachine.TestCase


def test_a_session_gets_a_host_of_its_own_while_there_is_one():
    placement = Placement(2, 1, 2)
    placement.host_started("a")
    placement.host_started("b")
    assert {placement.place("1"), placement.place("2")} == {"a", "b"}
    assert {placement.place("3"), placement.place("4")} == {"a", "b"}
    with pytest.raises(CapacityExhausted) as full:
        placement.place("5")
    assert full.value.retry_after_s


def test_a_full_host_takes_no_session_that_comes_to_it_by_an_old_address():
    placement = Placement(1, 1, 1)
    placement.host_started("a")
    placement.place("1")
    assert not placement.claim("2", "a")
    assert placement.claim("1", "a")


def two_hosts(**bounds: int) -> Placement:
    placement = Placement(sessions_per_host=10, warm_hosts=1, max_hosts=2, **bounds)
    for host in ("h0", "h1"):
        placement.host_started(host)
    return placement


def test_a_session_goes_to_the_host_with_fewer_bytes_if_bytes_fill_hosts_sooner():
    placement = two_hosts(bytes_per_host=100)
    placement.note_size("h0", 80)
    assert [placement.place(f"s{number}") for number in range(8)] == ["h1"] * 8
    assert placement.place("s8") == "h0"


def test_a_host_with_too_many_bytes_gets_no_more_sessions():
    placement = two_hosts(bytes_per_host=100)
    placement.note_size("h0", 100)
    placement.note_growth("h1", 60)
    placement.note_growth("h1", 60)
    assert not placement.has_room
    assert not placement.claim("s0", "h0")
    with pytest.raises(CapacityExhausted, match="session_actor_bytes"):
        placement.place("s0")
    placement.note_size("h1", 20)
    assert placement.place("s0") == "h1"


def test_what_a_host_has_released_no_longer_counts_before_it_reports():
    placement = two_hosts(bytes_per_host=100)
    placement.host_lost("h1")
    for session in ("s0", "s1", "s2"):
        assert placement.place(session) == "h0"
    placement.note_size("h0", 120)
    placement.release("s1")
    assert placement.sizes["h0"] == 80
    assert placement.has_room


def test_a_host_that_comes_back_is_empty():
    placement = two_hosts(bytes_per_host=100)
    placement.note_size("h0", 100)
    placement.host_lost("h0")
    placement.note_size("h0", 100)
    placement.host_started("h0")
    assert placement.claim("s0", "h0")


def test_there_are_more_hosts_than_cpus_only_when_these_fill_up():
    placement = Placement(sessions_per_host=4, warm_hosts=1, max_hosts=4, hosts_for_cpus=2)
    placement.host_started("h0")
    placement.place("s0")
    assert placement.hosts_to_start() == 1, "a CPU is free"
    placement.host_started("h1")
    for number in range(1, 4):
        assert placement.hosts_to_start() == 0
        placement.place(f"s{number}")
    assert placement.hosts_to_start() == 1, "both are half full"


def test_sessions_that_share_no_host_have_a_warm_one_whatever_the_cpus():
    placement = Placement(sessions_per_host=1, warm_hosts=1, max_hosts=4, hosts_for_cpus=1)
    placement.host_started("h0")
    placement.place("s0")
    assert placement.hosts_to_start() == 1


def on_two_nodes(**bounds: int) -> Placement:
    placement = Placement(**{"sessions_per_host": 10, "warm_hosts": 1, "max_hosts": 4, **bounds})
    for host, node in (("a0", "a"), ("a1", "a"), ("b0", "b")):
        placement.host_started(host, node=node)
    return placement


def test_among_equally_full_hosts_that_on_the_node_with_the_fewest_sessions_comes_first():
    placement = on_two_nodes()
    assert {placement.place(f"s{number}") for number in range(3)} == {"a0", "a1", "b0"}
    assert placement.place("s3") == "b0"


def test_what_is_too_much_leaves_the_node_first_that_is_free_soonest():
    placement = on_two_nodes()
    placement.claim("s0", "a1")
    assert placement.hosts_to_stop() == ["b0"]


def test_sessions_that_share_no_host_are_refused_when_every_node_that_stays_is_full():
    placement = on_two_nodes(sessions_per_host=1)
    placement.note_leaving("a")
    assert placement.place("s0") == "b0"
    with pytest.raises(CapacityExhausted) as full:
        placement.place("s1")
    assert full.value.retry_after_s
    assert not placement.claim("s1", "a0")
    assert placement.hosts_to_start() == 1, "what leaves is no longer counted"


def test_what_a_leaving_host_holds_is_still_found_there():
    placement = on_two_nodes()
    placement.claim("s0", "a0")
    placement.note_leaving("a")
    assert placement.place("s0") == "a0"
    placement.release("s0", "a0")
    assert placement.place("s0") == "b0"


CARRIED = {"a": 4, "b": 4}


def test_a_node_is_surplus_if_the_others_take_its_sessions_and_are_not_half_full_soon():
    placement = on_two_nodes()
    for number in range(7):
        placement.claim(f"s{number}", "b0")
    for host in ("a0", "a1"):
        placement.claim(f"of {host}", host)
    # Up to a quarter, hosts of "a" take 2, 2 and 3 more; a fourth one is kept warm.
    assert "b" in placement.surplus_nodes(CARRIED)
    placement.claim("s7", "b0")
    assert "b" not in placement.surplus_nodes(CARRIED)


def test_sessions_that_share_no_host_leave_a_node_for_empty_hosts_of_others():
    placement = on_two_nodes(sessions_per_host=1)
    placement.claim("s0", "b0")
    assert placement.surplus_nodes({"a": 2, "b": 2}) == ["a", "b"]
    placement.claim("s1", "a0")
    assert placement.surplus_nodes({"a": 2, "b": 2}) == [], "the one that is empty is kept warm"


def test_large_sessions_count_as_many():
    placement = on_two_nodes(bytes_per_host=100)
    placement.claim("s0", "b0")
    assert "b" in placement.surplus_nodes(CARRIED)
    placement.note_size("b0", 100)
    assert "b" not in placement.surplus_nodes(CARRIED)


def test_a_node_is_not_surplus_while_the_others_have_too_few_hosts_for_its_sessions():
    placement = on_two_nodes()
    placement.host_stopped("a1")
    for number in range(5):
        placement.claim(f"s{number}", "a0")
        placement.claim(f"t{number}", "b0")
    placement.claim("t6", "b0")
    assert placement.surplus_nodes({"a": 40, "b": 4}) == []


def test_of_surplus_nodes_that_with_the_fewest_sessions_comes_first():
    placement = on_two_nodes()
    placement.host_started("b1", node="b")
    placement.claim("s0", "a0")
    assert placement.surplus_nodes(CARRIED) == ["b", "a"]
    placement.claim("s1", "b0")
    placement.claim("s2", "b1")
    assert placement.surplus_nodes(CARRIED) == ["a", "b"]


def test_the_hosts_to_keep_warm_have_no_room_for_the_sessions_of_a_surplus_node():
    placement = on_two_nodes(warm_hosts=2)
    placement.claim("s0", "b0")
    assert "b" in placement.surplus_nodes({"a": 3, "b": 2})
    assert "b" not in placement.surplus_nodes({"a": 2, "b": 2})


def test_the_only_node_with_hosts_is_never_surplus():
    placement = on_two_nodes(warm_hosts=0)
    placement.host_stopped("b0")
    assert placement.surplus_nodes(CARRIED) == []


def test_no_node_is_surplus_while_a_host_is_awaited():
    placement = on_two_nodes()
    placement.host_starting("b1")
    assert placement.surplus_nodes(CARRIED) == []


def test_a_node_that_leaves_is_neither_surplus_nor_room_for_others():
    placement = on_two_nodes()
    placement.note_leaving("b")
    assert placement.surplus_nodes({"a": 4}) == []
