"""Nodes that session actors leave: how long their turns have, and which are not needed."""

import asyncio
from collections.abc import Mapping
from math import inf

import pytest

from actors import departures as room
from actors.departures import MOVE_AFTER_S, MOVING_S, Departures
from actors.nodes import Nodes, is_free
from everruns.registry.placement import Placement

TWO = Nodes({"old": 2.0, "new": 2.0}, {})
HALF = 0.5


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LEAVE_AFTER_S", 0.0)


@pytest.fixture
def placement() -> Placement:
    """One session on each of two nodes, which have two hosts each."""
    placement = Placement(sessions_per_host=10, warm_hosts=1, max_hosts=8)
    for host, node in (("o0", "old"), ("o1", "old"), ("n0", "new"), ("n1", "new")):
        placement.host_started(host, node=node)
    placement.claim("s0", "o0")
    placement.claim("s1", "n0")
    return placement


def departures_of(placement: Placement, *removable: str) -> Departures:
    def asked(reserved: Mapping[str, float]) -> frozenset[str]:
        assert reserved == {"old": 2 * HALF, "new": 2 * HALF}
        return frozenset(removable)

    return Departures(placement, HALF, asked)


async def looks(departures: Departures, nodes: Nodes = TWO) -> Nodes:
    """Look until a surplus has lasted for a while."""
    for _ in range(3):
        await departures.leave_surplus(departures.note(nodes))
        await asyncio.sleep(0.001)
    return departures.note(nodes)


async def test_a_node_that_is_not_needed_is_left_if_an_autoscaler_can_take_it_away(
    placement: Placement,
) -> None:
    departures = departures_of(placement, "new")
    nodes = await looks(departures)
    assert nodes.cpus.keys() == {"old"}
    assert nodes.leaving == {"new": inf}
    assert departures.leave_by("n0") == inf, "its turns have all the time that they take"
    assert departures.leave_by("o0") is None


async def test_a_node_stays_that_nobody_would_take_away(placement: Placement) -> None:
    assert await looks(departures_of(placement)) == TWO


async def test_a_node_stays_that_was_filled_while_it_was_asked_about(placement: Placement) -> None:
    def filled(_reserved: Mapping[str, float]) -> frozenset[str]:
        for number in range(9):
            placement.claim(f"more{number}", "n0")
        return frozenset({"new"})

    assert await looks(Departures(placement, HALF, filled)) == TWO


async def test_a_node_that_is_needed_again_is_taken_back(placement: Placement) -> None:
    departures = departures_of(placement, "new")
    await looks(departures)
    assert departures.take_back()
    assert departures.note(TWO) == TWO
    assert departures.leave_by("n0") is None
    assert not departures.take_back(), "no other node was left"


async def test_a_node_is_taken_back_before_anyone_has_looked_at_the_nodes_again(
    placement: Placement,
) -> None:
    departures = departures_of(placement, "new")
    for _ in range(3):
        await departures.leave_surplus(TWO)
        await asyncio.sleep(0.001)
    assert departures.take_back()
    assert departures.note(TWO) == TWO


async def test_a_node_that_is_drained_after_it_was_left_no_longer_has_all_the_time(
    placement: Placement,
) -> None:
    departures = departures_of(placement, "new")
    await looks(departures)
    drained = departures.note(Nodes({"old": 2.0}, {"new": 20.0}))
    assert drained.leaving == {"new": 20.0}
    by = departures.leave_by("n0")
    assert by is not None
    assert by <= asyncio.get_running_loop().time() + 20.0 - MOVING_S
    assert not departures.take_back()


async def test_the_time_of_a_drained_node_begins_when_it_is_first_seen(
    placement: Placement,
) -> None:
    departures = departures_of(placement)
    drained = Nodes({"old": 2.0}, {"new": inf})
    departures.note(drained)
    first = departures.leave_by("n0")
    await asyncio.sleep(0.001)
    departures.note(drained)
    assert departures.leave_by("n0") == first
    assert first is not None
    assert first <= asyncio.get_running_loop().time() + MOVE_AFTER_S


async def test_no_node_is_left_where_actors_reserve_nothing(placement: Placement) -> None:
    def asked(_reserved: Mapping[str, float]) -> frozenset[str]:
        raise AssertionError("nobody adds nodes for them")

    assert await looks(Departures(placement, 0.0, asked)) == TWO


def test_a_node_is_free_if_nothing_but_the_session_actors_reserves_something() -> None:
    total = {"CPU": 2.0, "memory": 8e9, "node:192.0.2.1": 1.0}
    assert is_free(total, {"CPU": 1.0, "memory": 1e9, "node:192.0.2.1": 1.0}, 1.0)
    assert not is_free(total, {"CPU": 0.5, "memory": 8e9, "node:192.0.2.1": 1.0}, 1.0)


def test_a_node_with_an_api_replica_is_not_free() -> None:
    replica = {"node:__internal_implicit_resource_everruns:api": 0.984375}
    assert not is_free({"CPU": 2.0}, {"CPU": 2.0, **replica}, 0.0)
