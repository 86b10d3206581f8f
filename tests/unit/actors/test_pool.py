"""The pool follows the cluster: nodes that join or leave change how many actors there may be."""

import asyncio
from pathlib import Path
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
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reserved_cpus: float, most: int
) -> None:
    monkeypatch.setattr(room, "LOOK_EVERY_S", 0.01)
    placement = Placement(sessions_per_host=1, warm_hosts=WARM, max_hosts=1)
    placement.host_started("session-actor-0", node="a")
    nodes = Nodes({"a": 2.0}, {})
    settings = Settings(data_dir=tmp_path)
    pool = SessionActorPool(placement, cast("Any", None), settings, reserved_cpus, lambda: nodes)
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
