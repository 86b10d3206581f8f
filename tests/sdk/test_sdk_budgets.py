"""Budgets, as the official SDK calls them, on a real server."""

import asyncio

import everruns_sdk as sdk
import pytest
from everruns_sdk import Agent, Budget, Everruns, Session

from tests.waiting import PATIENCE_S, POLL_S


@pytest.fixture
async def budget(everruns: Everruns, talk: Session) -> Budget:
    return await everruns.budgets.create(
        "session", talk.id, "TOKENS", 1000, soft_limit=900, metadata={"team": "a"}
    )


async def said(everruns: Everruns, session: Session, text: str) -> list[str]:
    """Send a message; return the error codes of the turns that failed up to its end."""
    await everruns.messages.create(session.id, text)
    async with asyncio.timeout(PATIENCE_S):
        while (await everruns.sessions.get(session.id)).status != "idle":
            await asyncio.sleep(POLL_S)
    return [
        event.data["error_code"]
        for event in await everruns.events.list(session.id)
        if event.type == "turn.failed"
    ]


async def test_a_budget_is_created_found_changed_and_deleted(
    everruns: Everruns, talk: Session, agent: Agent, budget: Budget
):
    assert (budget.currency, budget.balance, budget.status) == ("tokens", 1000, "active")
    assert await everruns.budgets.get(budget.id) == budget
    of_agent = await everruns.budgets.create("agent", agent.id, "usd", 10)

    assert await everruns.budgets.list(subject_type="session", subject_id=talk.id) == [budget]
    assert await everruns.budgets.list(subject_id=agent.id) == [of_agent]
    assert await everruns.sessions.budgets(talk.id) == [of_agent, budget]

    changed = await everruns.budgets.update(budget.id, limit=500, status="paused")
    assert (changed.balance, changed.status, changed.metadata) == (500, "paused", {"team": "a"})
    await everruns.budgets.delete(budget.id)
    assert await everruns.sessions.budgets(talk.id) == [of_agent]
    assert (await everruns.budgets.get(budget.id)).status == "disabled"


async def test_a_turn_beyond_the_budget_fails_and_goes_on_after_a_top_up(
    everruns: Everruns, talk: Session, budget: Budget
):
    assert await said(everruns, talk, "Again.") == []
    [entry] = await everruns.budgets.ledger(budget.id)
    assert (entry.session_id, entry.meter_source) == (talk.id, "model_answer")
    assert (await everruns.budgets.get(budget.id)).balance == 1000 - entry.amount

    await everruns.budgets.update(budget.id, limit=entry.amount)
    assert (await everruns.budgets.get(budget.id)).status == "exhausted"
    assert (await everruns.sessions.budget_check(talk.id)).action == "stop"
    assert await said(everruns, talk, "Once more.") == ["budget_exhausted"]

    topped = await everruns.budgets.top_up(budget.id, 500, description="more")
    assert (topped.balance, topped.status) == (500, "active")
    assert await said(everruns, talk, "Now?") == ["budget_exhausted"]
    newest, *others = await everruns.budgets.ledger(budget.id)
    assert (await everruns.budgets.get(budget.id)).balance == 500 - newest.amount
    assert await everruns.budgets.ledger(budget.id, limit=2, offset=1) == others


async def test_a_soft_limit_is_told_by_the_check(everruns: Everruns, talk: Session, budget: Budget):
    assert (await everruns.budgets.check(budget.id)).action == "continue"
    await everruns.budgets.update(budget.id, soft_limit=1)
    assert await said(everruns, talk, "Again.") == []

    warned = await everruns.budgets.check(budget.id)
    assert (warned.action, warned.budget_id, warned.error_code) == ("warn", budget.id, None)
    assert await everruns.sessions.budget_check(talk.id) == warned


async def test_paused_budgets_are_resumed_with_their_session(
    everruns: Everruns, talk: Session, budget: Budget
):
    await everruns.budgets.update(budget.id, status="paused")
    assert await said(everruns, talk, "Again.") == ["budget_paused"]

    resumed = await everruns.sessions.resume(talk.id)
    assert (resumed.session_id, resumed.resumed_budgets) == (talk.id, 1)
    assert (await everruns.sessions.budget_check(talk.id)).action == "continue"


async def test_refusals_come_as_the_sdks_errors(everruns: Everruns, talk: Session):
    with pytest.raises(sdk.NotFoundError):
        await everruns.budgets.get("budget_" + "0" * 32)
    for wrong in (
        everruns.budgets.create("user", "user_1", "usd", 1),
        everruns.budgets.create("session", talk.id, "credits", 1),
        everruns.budgets.create(
            "session", talk.id, "usd", 1, period={"type": "rolling", "window": "5h"}
        ),
    ):
        with pytest.raises(sdk.ApiError) as refusal:
            await wrong
        assert refusal.value.status_code == 400
