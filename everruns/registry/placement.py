"""Placement: which session host holds which live session. Pure rules, no clocks, no calls.

A session gets the host that is least full, by sessions or by bytes, and among equals the one on the
node with the fewest sessions. Some empty hosts are kept warm, so that nobody waits for a process,
until there are as many hosts as CPUs; after that there are more only as these fill up. Hosts on
nodes that are about to go get nothing new, and do not count.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from heapq import nlargest
from math import ceil

from everruns.address import Address
from everruns.errors import CapacityExhausted
from everruns.registry.ranking import Lowest, Ranking
from everruns.registry.reports import Digest


@dataclass
class Placement:
    """Who holds what.

    Attributes:
        sessions_per_host: Live sessions that one host may hold.
        warm_hosts: Empty hosts to keep ready.
        max_hosts: Most hosts there may be.
        bytes_per_host: Bytes of sessions from which on a host gets no more.
        hosts_for_cpus: Hosts that put every CPU to use. More of them make turns no faster, so
            beyond that a host is started only when the others fill up.
        hosts: The sessions of each host that is up.
        digests: Their digests.
        sizes: The bytes of the sessions of each host that is up: as it reported last, and as
            estimated since.
        addresses: Where each host that is up takes calls, as far as known.
        nodes: The node of each host that is up; empty if it is not known.
        leaving: Nodes that are about to go; see ``note_leaving``.
        starting: Hosts that were asked for, or are expected back, and are not up.
        overdue: Hosts that were expected back and still are not up: others take their place.
    """

    sessions_per_host: int
    warm_hosts: int
    max_hosts: int
    bytes_per_host: int = sys.maxsize
    hosts_for_cpus: int = sys.maxsize
    hosts: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    digests: dict[str, Digest] = field(default_factory=dict[str, Digest])
    sizes: dict[str, int] = field(default_factory=dict[str, int])
    addresses: dict[str, Address] = field(default_factory=dict[str, Address])
    nodes: dict[str, str] = field(default_factory=dict[str, str])
    leaving: frozenset[str] = frozenset()
    starting: set[str] = field(default_factory=set[str])
    overdue: set[str] = field(default_factory=set[str])
    _host_of: dict[str, str] = field(default_factory=dict[str, str])
    _sessions_on: Counter[str] = field(default_factory=Counter[str])
    # The hosts of each node by how full they are, and the nodes that stay by how full the least
    # full host there is, and then by their sessions: placing looks at neither all hosts nor all
    # nodes.
    _hosts_on: dict[str, Ranking[float]] = field(
        default_factory=lambda: defaultdict[str, Ranking[float]](Ranking)
    )
    _staying_nodes: Ranking[tuple[float, int]] = field(default_factory=Ranking[tuple[float, int]])

    def find(self, session_id: str) -> str | None:
        """Return the host that holds a session, if one does."""
        return self._host_of.get(session_id)

    @property
    def has_room(self) -> bool:
        """Whether some host could take one more session."""
        emptiest = self._emptiest
        return emptiest is not None and emptiest.rank < 1

    def place(self, session_id: str) -> str:
        """Return the session's host, choosing one if it has none.

        Raises:
            CapacityExhausted: Every host is full, or none is up yet.
        """
        if host := self._host_of.get(session_id):
            return host
        emptiest = self._emptiest
        if emptiest is None or emptiest.rank >= 1:
            raise CapacityExhausted(
                "Every session actor is full. Try again shortly, or raise max_session_actors, "
                "sessions_per_actor or session_actor_bytes.",
                None,
                1.0,
            )
        self._hold(session_id, emptiest.name)
        self._rank(emptiest.name)
        return emptiest.name

    @property
    def _emptiest(self) -> Lowest[float] | None:
        """The host that is least full, on a node that stays, and how full it is."""
        node = self._staying_nodes.lowest
        return None if node is None else self._hosts_on[node.name].lowest

    def claim(self, session_id: str, host: str) -> bool:
        """Give an unplaced session to this host if it has room; return whether it is its."""
        if session_id not in self._host_of and self._has_room(host):
            self._hold(session_id, host)
            self._rank(host)
        return self._host_of.get(session_id) == host

    def _has_room(self, host: str) -> bool:
        return host in self.hosts and self._is_staying(host) and self._load(host) < 1

    def _is_staying(self, host: str) -> bool:
        return self.nodes[host] not in self.leaving

    @property
    def _staying(self) -> list[str]:
        return list(filter(self._is_staying, self.hosts)) if self.leaving else list(self.hosts)

    def _load(self, host: str) -> float:
        """Return how full a host is, by the bound that it is closer to."""
        sessions = len(self.hosts[host]) / self.sessions_per_host
        return max(sessions, self.sizes[host] / self.bytes_per_host)

    def _rank(self, host: str) -> None:
        """Rank a host that is up, and its node, after something has changed how full it is."""
        node = self.nodes[host]
        self._hosts_on[node].put(host, self._load(host))
        self._rank_node(node)

    def _rank_node(self, node: str) -> None:
        emptiest = self._hosts_on[node].lowest if node in self._hosts_on else None
        if emptiest is None or node in self.leaving:
            self._staying_nodes.remove(node)
        else:
            self._staying_nodes.put(node, (emptiest.rank, self._sessions_on[node]))

    def note_leaving(self, nodes: Iterable[str]) -> None:
        """Take note which nodes are about to go, and that no others are."""
        before, self.leaving = self.leaving, frozenset(nodes)
        for node in before ^ self.leaving:
            self._rank_node(node)

    def note_size(self, host: str, size_bytes: int) -> None:
        """A host has reported the size of its sessions."""
        if host in self.hosts:
            self.sizes[host] = size_bytes
            self._rank(host)

    def note_address(self, host: str, address: Address | None) -> None:
        """A host has reported where it takes calls."""
        if host in self.hosts and address is not None:
            self.addresses[host] = address

    def note_growth(self, host: str, size_bytes: int) -> None:
        """A session of this size is being loaded by its host."""
        if host in self.hosts:
            self.sizes[host] += size_bytes
            self._rank(host)

    def _hold(self, session_id: str, host: str) -> None:
        self._host_of[session_id] = host
        self.hosts[host].add(session_id)
        self.digests[host] = self.digests[host].plus(session_id)
        self._sessions_on[self.nodes[host]] += 1

    def release(self, session_id: str, host: str | None = None) -> None:
        """Forget where a session is; with a ``host``, only if it is there."""
        holder = self._host_of.get(session_id)
        if holder is not None and host in {None, holder}:
            del self._host_of[session_id]
            # Until it reports again, its sessions count as equally large.
            self.sizes[holder] -= self.sizes[holder] // len(self.hosts[holder])
            self.hosts[holder].discard(session_id)
            self.digests[holder] = self.digests[holder].minus(session_id)
            self._sessions_on[self.nodes[holder]] -= 1
            self._rank(holder)

    def host_starting(self, host: str) -> None:
        """A host was asked for."""
        self.starting.add(host)

    def host_started(self, host: str, holding: Iterable[str] = (), node: str = "") -> None:
        """A host is up; what an earlier life of it held is placed nowhere now.

        Args:
            host: Its name.
            holding: Sessions that it holds already. Those placed elsewhere stay there.
            node: Where it is.
        """
        self.host_stopped(host)
        self.hosts[host] = set()
        self.digests[host] = Digest()
        self.sizes[host] = 0
        self.nodes[host] = node
        for session_id in holding:
            if session_id not in self._host_of:
                self._hold(session_id, host)
        self._rank(host)

    def host_lost(self, host: str) -> set[str]:
        """A host does not answer, and is expected back.

        Returns:
            The sessions it held, which are placed nowhere now.
        """
        sessions = self.host_stopped(host)
        self.starting.add(host)
        return sessions

    def host_overdue(self, host: str) -> None:
        """A host that was expected back has not come."""
        self.starting.discard(host)
        self.overdue.add(host)

    def host_stopped(self, host: str) -> set[str]:
        """A host has gone for good; return the sessions it held, which are placed nowhere now."""
        self.starting.discard(host)
        self.overdue.discard(host)
        if host not in self.hosts:
            return set()
        del self.sizes[host], self.digests[host]
        self.addresses.pop(host, None)
        sessions, node = self.hosts.pop(host), self.nodes.pop(host)
        for session_id in sessions:
            del self._host_of[session_id]
        self._sessions_on[node] -= len(sessions)
        self._hosts_on[node].remove(host)
        if not self._hosts_on[node]:
            del self._hosts_on[node], self._sessions_on[node]
        self._rank_node(node)
        return sessions

    def hosts_on(self, nodes: Iterable[str]) -> list[str]:
        """Return the hosts that are up on these nodes."""
        return [host for node in set(nodes) for host in self._hosts_on.get(node, ())]

    @property
    def empty_hosts(self) -> list[str]:
        """Hosts that hold nothing, and stay."""
        return [host for host in self._staying if not self.hosts[host]]

    def hosts_to_start(self) -> int:
        """Return how many more hosts are wanted now."""
        return max(0, min(self._wanted, self.max_hosts - self._count))

    @property
    def starts_too_many(self) -> bool:
        """Whether more hosts are starting than are wanted."""
        return bool(self.starting) and (self._wanted < 0 or self._count > self.max_hosts)

    @property
    def _count(self) -> int:
        return len(self._staying) + len(self.starting)

    @property
    def _wanted(self) -> int:
        """How many hosts are missing among those that are ready, or starting; may be negative."""
        has_all_cpus = self._count >= max(self.hosts_for_cpus, self.warm_hosts)
        ready = self._half_empty_hosts if has_all_cpus else self.empty_hosts
        return self.warm_hosts - len(ready) - len(self.starting)

    @property
    def _half_empty_hosts(self) -> list[str]:
        return [host for host in self._staying if self._load(host) < 0.5]

    def hosts_to_stop(self) -> list[str]:
        """Return empty hosts beyond those to keep warm; first those that leave a node soonest."""
        hosts_on = Counter(self.nodes.values())

        def use_of_node(host: str) -> tuple[int, int]:
            node = self.nodes[host]
            return self._sessions_on[node], hosts_on[node]

        empty = sorted(self.empty_hosts, key=use_of_node)
        return empty[: max(0, len(empty) - self.warm_hosts)]

    def surplus_nodes(self, carried: Mapping[str, int]) -> list[str]:
        """Return nodes whose sessions have room on the others; first those with the fewest.

        Without such a node the others are a quarter full at most, besides the hosts to keep warm.
        Others are wanted when they are half full, so the node is not wanted again at once.

        Args:
            carried: How many hosts each node that stays can have.
        """
        if self.starting:
            return []
        hosts_on: dict[str, list[str]] = {}
        for host in self._staying:
            hosts_on.setdefault(self.nodes[host], []).append(host)
        # For each node, of its hosts: their rooms up to a quarter, and together up to the brim.
        quarters = {node: [self._room(host, 0.25) for host in on] for node, on in hosts_on.items()}
        room = {node: sum(self._room(host, 1) for host in on) for node, on in hosts_on.items()}
        quarter = ceil(self.sessions_per_host / 4)

        def is_surplus(node: str) -> bool:
            others = [left for other, on in quarters.items() if other != node for left in on]
            most = min(self.max_hosts, sum(carried.values()) - carried[node])
            rooms = [*others, *[quarter] * (most - len(others))]
            warm = nlargest(self.warm_hosts, rooms)
            can_keep_warm = len(others) > 0 and len(warm) == self.warm_hosts and all(warm)
            # Large sessions count as many.
            moved = max(
                self._sessions_on[node], len(hosts_on[node]) * self.sessions_per_host - room[node]
            )
            # Their hosts are those that are up.
            taken = min(sum(rooms) - sum(warm), sum(room.values()) - room[node])
            return can_keep_warm and moved <= taken

        surplus = filter(is_surplus, hosts_on.keys() & carried.keys())
        return sorted(surplus, key=lambda node: (self._sessions_on[node], node))

    def _room(self, host: str, until: float) -> int:
        """Return how many more sessions a host takes until it is full to some share."""
        return max(0, ceil((until - self._load(host)) * self.sessions_per_host))
