"""What the registry measures by looking."""

import pytest

from everruns.capabilities.registry import load_capabilities
from everruns.domain.agents import AgentInput
from everruns.domain.budgets import BudgetInput, BudgetPatch, TopUp
from everruns.domain.sessions import SessionInput
from everruns.errors import CapacityExhausted
from everruns.ids import parse_time
from everruns.registry.database import Database
from everruns.registry.gauges import Gauges
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.storage.memory.store import MemoryStore
from everruns.telemetry.metrics import (
    BUDGET_USED,
    JOURNAL_BYTES,
    PLACEMENTS_REFUSED,
    SESSION_ACTORS,
    SESSIONS_STORED,
    TURN_IDLE,
    TURNS_OPEN,
    TURNS_WAITING,
    Metric,
)
from tests.stored import append, events, session, time, wait


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def registry(store: MemoryStore) -> Registry:
    return Registry(store, load_capabilities(), Placement(1, warm_hosts=0, max_hosts=1))


async def gauges(registry: Registry) -> dict[Metric, float]:
    """Return the gauges after a look; those with labels as the dictionary of their values."""
    registry.gauges.refresh()
    await registry.gauges.look()
    found: dict = {}
    for (metric, labels), value in registry.meters.take().gauges.items():
        if labels:
            found.setdefault(metric, {})[labels] = value
        else:
            found[metric] = value
    return found


async def test_an_empty_registry_shows_nothing_at_all(registry: Registry):
    found = await gauges(registry)
    assert found[SESSIONS_STORED] == found[TURNS_OPEN] == found[TURN_IDLE] == 0
    assert found[BUDGET_USED] == found[JOURNAL_BYTES] == 0
    assert set(found[TURNS_WAITING].values()) == {0}


async def test_turns_are_shown_by_what_they_wait_for(registry: Registry, store: MemoryStore):
    store.sessions.insert(session(1))
    waiting = {"status": "waitingfortoolresults", "waiting_for": [wait("approval")]}
    store.logs.append([append(1, events(1, 1), **waiting)])

    found = await gauges(registry)

    assert found[TURNS_OPEN] == 1
    assert found[TURNS_WAITING]["approval",] == 1
    assert found[TURN_IDLE] == 0, "it waits for somebody"


async def test_a_turn_that_stores_nothing_is_quiet_for_longer_and_longer(
    registry: Registry, store: MemoryStore
):
    store.sessions.insert(session(1))
    store.logs.append([append(1, events(1, 1), updated_at=time(1))])
    for seconds in (5, 10):
        clock = parse_time(time(1)) + seconds * 1000
        looking = Gauges(
            Database(store),
            registry.placement,
            registry.budgets,
            registry.meters,
            lambda: clock,  # noqa: B023
        )
        await looking.look()
        assert registry.meters.take().gauges[TURN_IDLE, ()] == seconds


async def test_the_budget_that_is_used_most_is_shown(registry: Registry):
    agent, _ = await registry.agents.create(AgentInput(name="a", system_prompt="Hi."))
    for limit in (100, 0):
        subject = {"subject_type": "agent", "subject_id": agent.id}
        wanted = BudgetInput.model_validate({**subject, "currency": "tokens", "limit": limit})
        budget = await registry.budgets.create(wanted)

    assert (await gauges(registry))[BUDGET_USED] == 1, "one without a limit to use is exhausted"

    await registry.budgets.update(budget.id, BudgetPatch(status="paused"))
    assert (await gauges(registry))[BUDGET_USED] == 0, "one that is paused is not in use"


async def test_a_budget_that_was_topped_up_is_not_used_below_zero(registry: Registry):
    agent, _ = await registry.agents.create(AgentInput(name="a", system_prompt="Hi."))
    subject = {"subject_type": "agent", "subject_id": agent.id}
    wanted = BudgetInput.model_validate({**subject, "currency": "tokens", "limit": 100})
    budget = await registry.budgets.create(wanted)
    await registry.budgets.top_up(budget.id, TopUp(amount=50))
    assert (await gauges(registry))[BUDGET_USED] == 0


async def test_hosts_are_shown_once_they_are_up(registry: Registry):
    registry.placement.host_started("host-1")
    assert (await gauges(registry))[SESSION_ACTORS] == {("up",): 1, ("starting",): 0}


async def test_a_session_without_room_is_counted(registry: Registry):
    created = await registry.sessions.create(SessionInput())
    with pytest.raises(CapacityExhausted):
        await registry.hosting.place(created.id)
    assert registry.meters.take().counts[PLACEMENTS_REFUSED, ()] == 1
