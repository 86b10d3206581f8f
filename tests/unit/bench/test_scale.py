"""The measurement of a hundred nodes, with one node and a few sessions."""

import pytest
from rich.console import Console

from bench.cluster import unit_costs
from bench.cluster.scale import load_of
from bench.cluster.unit_costs import Stored, measure
from bench.history import make_session
from everruns.runtime import watch
from everruns.storage.memory.store import MemoryStore

CALLS = 3


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Stored:
    monkeypatch.setattr(unit_costs, "CALLS", CALLS)
    monkeypatch.setattr(unit_costs, "REPORTING_S", 0.5)
    monkeypatch.setattr(watch, "REPORT_EVERY_S", 0.1)
    store = MemoryStore()
    made = [make_session("agent_1", number) for number in range(10 * CALLS)]
    for session in made:
        store.sessions.insert(session)
    ids = [session.id for session in made]
    return Stored(store, ids[: 4 * CALLS], ids[4 * CALLS :])


async def test_everything_that_the_registry_does_is_measured_in_a_registry_that_does_it(
    stored: Stored,
):
    out = Console(record=True, quiet=True)
    costs = await measure(out, stored, nodes=1)
    assert {part.cost for part in load_of(nodes=1, sessions=100)} <= costs.keys()
    assert all(cost.cpu_ms >= 0 for cost in costs.values())


def test_a_load_grows_with_its_sessions_and_nodes():
    small, large = load_of(nodes=1, sessions=1_000), load_of(nodes=2, sessions=2_000)
    assert [part.cost for part in small] == [part.cost for part in large]
    assert sum(part.per_s for part in small) < sum(part.per_s for part in large)
