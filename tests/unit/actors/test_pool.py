"""The pool follows the cluster: nodes that join or leave, and actors that wait for one."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from actors import pool as room
from actors.nodes import Nodes
from actors.pool import SessionActorPool
from everruns.registry.placement import Placement
from everruns.settings import Settings
from tests.waiting import eventually

WARM = 1


@pytest.mark.parametrize(("reserved_cpus", "most"), [(0.0, 6), (0.5, 6 + WARM), (1.0, 3 + WARM)])
async def test_nodes_that_join_or_leave_later_count(
    tmp_path: Path, reserved_cpus: float, most: int
) -> None:
    placement = Placement(sessions_per_host=1, warm_hosts=WARM, max_hosts=1)
    placement.host_started("session-actor-0", node="a")
    nodes = Nodes({"a": 2.0}, {})
    settings = Settings(data_dir=tmp_path)
    watch = cast("Any", None)
    pool = SessionActorPool(placement, watch, settings, reserved_cpus, lambda: nodes, 0.01)
    keeping = asyncio.ensure_future(pool.keep())
    try:
        await eventually(lambda: placement.hosts_for_cpus == 2)
        nodes = Nodes({"a": 2.0, "b": 1.0}, {})
        await eventually(lambda: placement.hosts_for_cpus == 3)
        assert placement.max_hosts == most
        nodes = Nodes({"a": 2.0}, {"b": 60.0})
        await eventually(lambda: placement.hosts_for_cpus == 2)
        assert placement.leaving == {"b"}
    finally:
        keeping.cancel()


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Placement, SessionActorPool]:
    """A pool with one actor that is up, and one that has been awaited for too long."""
    monkeypatch.setattr(room, "INTERVAL_S", 0.0)
    monkeypatch.setattr(room, "START_TIMEOUT_S", 0.0)
    monkeypatch.setattr(room, "has_room", lambda _cpus: False)
    placement = Placement(sessions_per_host=1, warm_hosts=2, max_hosts=4)
    placement.host_started("session-actor-0", node="a")
    placement.host_starting("session-actor-1")
    watch = SimpleNamespace(forget=placement.host_stopped)
    pool = SessionActorPool(
        placement,
        cast("Any", watch),
        Settings(data_dir=tmp_path),
        0.5,
        lambda: Nodes({"a": 1.0}, {}),
        look_every_s=0.0,
    )
    monkeypatch.setattr(room, "ray", SimpleNamespace(get_actor=_no_actor, kill=None))
    monkeypatch.setattr(pool, "_start_one", lambda: None)
    return placement, pool


def _no_actor(name: str, namespace: str) -> None:
    raise ValueError(f"{namespace} has no {name}")


async def looks(pool: SessionActorPool) -> None:
    for _ in range(3):
        await pool._follow_nodes()
        pool._keep()


async def test_an_actor_that_waits_for_a_node_is_not_given_up(waiting) -> None:
    placement, pool = waiting
    await looks(pool)
    assert placement.starting == {"session-actor-1"}


async def test_one_that_a_node_has_room_for_is_stuck_and_given_up(
    waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    placement, pool = waiting
    monkeypatch.setattr(room, "has_room", lambda _cpus: True)
    await looks(pool)
    assert placement.starting == set()


async def test_one_that_is_no_longer_wanted_is_given_up(waiting) -> None:
    placement, pool = waiting
    placement.host_started("session-actor-2", node="a")
    await looks(pool)
    assert placement.starting == set()


async def test_sessions_share_actors_that_reserve_more_than_a_cpu_before_a_node_is_asked_for(
    tmp_path: Path,
) -> None:
    placement = Placement(sessions_per_host=10, warm_hosts=1, max_hosts=1)
    placement.host_started("session-actor-0", node="a")
    placement.place("s0")
    nodes = Nodes({"a": 2.0}, {})
    settings = Settings(data_dir=tmp_path)
    pool = SessionActorPool(placement, cast("Any", None), settings, 2.0, lambda: nodes, 0.0)
    await pool._follow_nodes()
    assert placement.hosts_to_start() == 0


async def test_a_node_that_is_not_needed_is_taken_back_before_another_is_asked_for(
    waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    placement, pool = waiting
    placement.host_stopped("session-actor-1")
    taken: list[bool] = []
    monkeypatch.setattr(pool._departures, "take_back", lambda: not taken.append(True))
    SessionActorPool._start_one(pool)
    assert taken
    assert placement.starting == set(), "nothing waits for a node"


def test_a_node_carries_whole_actors_and_one_without_cpus_carries_none() -> None:
    nodes = Nodes({"head": 0.0, "a": 1.5, "b": 1.5}, {})
    assert nodes.capacity(1.0) == 2
    assert nodes.capacity(0.1) == 30
    assert nodes.capacity(0) == 2 * 3
    assert Nodes({"head": 0.0}, {}).capacity(0.5) == 1


def test_the_next_actor_goes_to_the_node_whose_cpus_are_reserved_least() -> None:
    nodes = Nodes({"small": 1.0, "large": 4.0, "none": 0.0}, {"leaving": 60.0})
    assert nodes.emptiest(0.5, {"large": 1, "leaving": 0}) == "small"
    assert nodes.emptiest(0.5, {"large": 1, "small": 1}) == "large"
    assert nodes.emptiest(0.5, {"large": 8, "small": 1}) == "small"
    assert nodes.emptiest(0.5, {"large": 8, "small": 2}) is None
