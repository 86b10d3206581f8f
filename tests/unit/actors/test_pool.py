"""The pool follows the cluster: nodes that join or leave change how many actors there may be."""

import asyncio
from typing import Any, cast

import pytest

from actors import pool as room
from actors.pool import SessionActorPool
from everruns.registry.placement import Placement
from tests.waiting import eventually


async def test_nodes_that_join_or_leave_later_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "COUNT_NODES_EVERY_S", 0.01)
    placement = Placement(sessions_per_host=1, warm_hosts=1, max_hosts=1)
    placement.host_started("session-actor-0")
    cpus = 1
    pool = SessionActorPool(placement, cast("Any", None), {}, lambda: cpus)
    keeping = asyncio.ensure_future(pool.keep())
    try:
        for cpus in (3, 1):
            await eventually(lambda cpus=cpus: placement.hosts_for_cpus == cpus)
            assert placement.max_hosts == 2 * cpus
    finally:
        keeping.cancel()
