"""Turns under budgets: they end when nothing is left, and the session goes on when there is."""

from collections.abc import Awaitable
from typing import Any

from everruns.domain.agents import AgentInput
from everruns.domain.budgets import BudgetInput, BudgetPatch, BudgetShown, TopUp
from everruns.runtime.local import LocalRuntime
from everruns.tools.function import tool
from tests.conversations import Conversation
from tests.scripts import ScriptedDriver, call, calls, local_runtime, says

# Each scripted answer costs 15 tokens.
COST = 15


@tool()
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def limit(runtime: LocalRuntime, subject_id: str, limit: float) -> BudgetShown:
    wanted = {
        "subject_type": subject_id.partition("_")[0],
        "subject_id": subject_id,
        "currency": "tokens",
        "limit": limit,
    }
    return await runtime.registry.budgets.create(BudgetInput.model_validate(wanted))


async def failure(talk: Conversation) -> str:
    """The code with which the last turn failed."""
    ending = await talk.ended()
    return ending.data.get("error", {}).get("code", "")


async def test_a_turn_ends_when_the_budget_is_exhausted_and_goes_on_after_a_top_up():
    driver = ScriptedDriver(says("one"), says("two"), says("three"))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        budget = await limit(runtime, talk.id, 20)
        budgets = runtime.registry.budgets

        assert await talk.say("a") == "one"
        assert (await budgets.get(budget.id)).balance == 20 - COST
        # The call that passes the limit is made: what it costs is not known before.
        assert await talk.say("b") == "two"
        await talk.send("c")
        assert await failure(talk) == "BUDGET_EXHAUSTED"
        assert len(driver.requests) == 2
        spent = await budgets.get(budget.id)
        assert (spent.balance, spent.status) == (20 - 2 * COST, "exhausted")

        assert (await budgets.top_up(budget.id, TopUp(amount=15))).status == "active"
        assert await talk.say("d") == "three"
        assert (await budgets.get(budget.id)).balance == 35 - 3 * COST


async def test_a_turn_is_ended_between_its_model_calls():
    driver = ScriptedDriver(calls(call("add", a=1, b=2)))
    async with local_runtime(driver, add) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await limit(runtime, talk.id, COST)
        await talk.send("add")

        assert await failure(talk) == "BUDGET_EXHAUSTED"
        assert "tool.result" in await talk.types()
        usage = (await runtime.registry.sessions.get(talk.id)).usage
        [check] = [await runtime.registry.budgets.check_session(talk.id)]
        assert check.balance == COST - usage.input_tokens - usage.output_tokens


async def test_all_sessions_of_an_agent_share_its_budget():
    driver = ScriptedDriver(says("one"), says("two"))
    async with local_runtime(driver) as runtime:
        agent, _ = await runtime.registry.agents.create(AgentInput(name="clerk", system_prompt="?"))
        talks = [await Conversation.begin(runtime, agent_id=agent.id) for _ in range(3)]
        # A budget given to an agent whose session is at work already counts too.
        assert await talks[0].say("a") == "one"
        await limit(runtime, agent.id, COST)
        assert await talks[1].say("b") == "two"

        for talk in talks:
            await talk.send("c")
            assert await failure(talk) == "BUDGET_EXHAUSTED"


async def test_a_paused_budget_ends_turns_until_it_is_resumed():
    driver = ScriptedDriver(says("one"))
    async with local_runtime(driver) as runtime:
        talk, budgets = await Conversation.begin(runtime), runtime.registry.budgets
        budget = await limit(runtime, talk.id, 100)
        await budgets.update(budget.id, BudgetPatch(status="paused"))
        await talk.send("a")
        assert await failure(talk) == "BUDGET_PAUSED"

        assert await budgets.resume_session(talk.id) == 1
        assert await budgets.resume_session(talk.id) == 0
        assert await talk.say("b") == "one"


async def test_a_disabled_budget_binds_nobody():
    driver = ScriptedDriver(says("one"))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        budget = await limit(runtime, talk.id, 0)
        await talk.send("a")
        assert await failure(talk) == "BUDGET_EXHAUSTED"

        await runtime.registry.budgets.disable(budget.id)
        assert await talk.say("b") == "one"


async def test_whoever_has_no_budget_is_asked_for_none():
    driver = ScriptedDriver(calls(call("add", a=1, b=2)), says("three"))
    async with local_runtime(driver, add) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        other = await Conversation.begin(runtime)
        await limit(runtime, other.id, 1)
        asked: list[str] = []

        def asking(session_id: str) -> Awaitable[Any]:
            asked.append(session_id)
            raise AssertionError("the registry was asked")

        runtime.registry.budgets.check_session = asking
        assert await talk.say("add") == "three"
        assert asked == []
