"""Turns under budgets: they end when nothing is left, and the session goes on when there is."""

from collections.abc import Awaitable
from typing import Any

import pytest

from everruns.domain.agents import AgentInput
from everruns.domain.budgets import BudgetInput, BudgetPatch, BudgetShown, TopUp
from everruns.domain.llm import ProviderInput
from everruns.domain.token_estimates import TOKENS_OF_A_FRAME
from everruns.domain.usage import Usage
from everruns.errors import InvalidRequest
from everruns.ids import parse_time
from everruns.providers.base import ModelChunk, ReasoningDelta, TextDelta, UsageSoFar
from everruns.runtime.local import LocalRuntime
from everruns.turn_failures import ProviderRejected, ProviderUnavailable
from tests.conversations import Conversation
from tests.scripts import Gate, ScriptedDriver, add, call, calls, local_runtime, says, step

# Each scripted answer costs 15 tokens.
COST = 15


async def limit(
    runtime: LocalRuntime, subject_id: str, limit: float, currency: str = "tokens"
) -> BudgetShown:
    wanted = {
        "subject_type": subject_id.partition("_")[0],
        "subject_id": subject_id,
        "currency": currency,
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

        def asking(session_id: str, **_: object) -> Awaitable[Any]:
            asked.append(session_id)
            raise AssertionError("the registry was asked")

        runtime.registry.budgets.check_session = asking
        assert await talk.say("add") == "three"
        assert asked == []


# Calls that are broken off


async def spent_when_cancelled(*chunks: ModelChunk) -> Usage:
    """Cancel a turn after these chunks; return what its session has used and was charged."""
    gate = Gate()
    async with local_runtime(ScriptedDriver(step(*chunks, gate))) as runtime:
        talk = await Conversation.begin(runtime, system_prompt="Be brief.")
        budget = await limit(runtime, talk.id, 1000)
        await talk.send("twelve chars")
        await gate.reached.wait()
        await runtime.sessions.cancel(talk.id)
        ending = await talk.ended()
        usage = (await runtime.registry.sessions.get(talk.id)).usage
        ledger = await runtime.registry.budgets.ledger(budget.id, 0, 10)
        told = ending.data.get("unfinished", {}).get("usage", {})
        assert Usage.model_validate(told) == usage
        charged = [(entry.amount, entry.ref_type, entry.ref_id) for entry in ledger.data]
        tokens = usage.input_tokens + usage.output_tokens
        assert charged == ([(tokens, "turn", ending.data["turn_id"])] if tokens else [])
        return usage


def tokens(usage: Usage) -> tuple[int, int]:
    return usage.input_tokens, usage.output_tokens


async def test_a_cancelled_call_costs_what_was_reported_and_what_was_written():
    reported = UsageSoFar(Usage(input_tokens=100, output_tokens=1))
    usage = await spent_when_cancelled(
        reported, ReasoningDelta("12345"), TextDelta("1234"), TextDelta("567")
    )

    assert tokens(usage) == (100, 3)


async def test_a_later_report_counts_more_than_the_rule():
    reports = [UsageSoFar(Usage(input_tokens=100, output_tokens=count)) for count in (1, 50)]

    assert tokens(await spent_when_cancelled(*reports, TextDelta("12345"))) == (100, 50)


@pytest.mark.parametrize("begun", [TextDelta("."), ReasoningDelta("."), UsageSoFar(Usage())])
async def test_what_was_sent_is_estimated_where_nothing_was_reported(begun):
    usage = await spent_when_cancelled(begun)

    # 9 bytes of the prompt and 12 of the message, four a token, and the marks around the message.
    assert tokens(usage) == (3 + 3 + TOKENS_OF_A_FRAME, 0 if isinstance(begun, UsageSoFar) else 1)


async def test_a_call_that_has_not_begun_costs_nothing():
    assert tokens(await spent_when_cancelled()) == (0, 0)


async def test_a_call_that_fails_in_the_middle_is_charged_once_and_ends_the_budget():
    broken = step(
        UsageSoFar(Usage(input_tokens=50)), TextDelta("half"), ProviderUnavailable("broke off")
    )
    async with local_runtime(ScriptedDriver(broken)) as runtime:
        talk = await Conversation.begin(runtime)
        budget = await limit(runtime, talk.id, 51)
        await talk.send("a")
        assert await failure(talk) == "PROVIDER_UNAVAILABLE"
        assert (await runtime.registry.budgets.get(budget.id)).balance == 0

        await talk.send("b")
        assert await failure(talk) == "BUDGET_EXHAUSTED"
        assert (await runtime.registry.sessions.get(talk.id)).usage.input_tokens == 50


async def test_a_call_that_was_refused_costs_nothing():
    async with local_runtime(ScriptedDriver(step(ProviderRejected("no")))) as runtime:
        talk = await Conversation.begin(runtime)
        budget = await limit(runtime, talk.id, 51)
        await talk.send("a")
        assert await failure(talk) == "PROVIDER_REJECTED"
        assert (await runtime.registry.budgets.get(budget.id)).balance == 51


# Budgets in dollars


async def test_a_budget_in_dollars_is_for_models_with_a_price_alone():
    driver = ScriptedDriver(says("one"), says("two"))
    async with local_runtime(driver) as runtime:
        await runtime.registry.providers.add(
            ProviderInput.model_validate(
                {
                    "name": "house",
                    "provider_type": "openai",
                    "base_url": "http://127.0.0.1:9/v1",
                    "models": [{"model_id": "unheard-of"}, {"model_id": "gpt-6-sol"}],
                }
            )
        )
        unpriced = await Conversation.begin(runtime, model_id="house/unheard-of")
        with pytest.raises(InvalidRequest, match="budget in tokens") as refused:
            await limit(runtime, unpriced.id, 5, currency="usd")
        assert refused.value.code == "BUDGET_UNPRICED"

        talk = await Conversation.begin(runtime)
        await limit(runtime, talk.id, 5, currency="usd")
        await talk.send("a", controls={"model_id": "house/unheard-of"})
        ending = await talk.ended()
        assert ending.data["error"]["code"] == "BUDGET_UNPRICED"
        assert "budget in tokens" in ending.data["error"]["message"]
        assert driver.requests == []

        for known in ("house/gpt-6-sol", "simulated/simulated-1"):
            talk = await Conversation.begin(runtime, model_id=known)
            await limit(runtime, talk.id, 5, currency="usd")
            assert await talk.say("a")


async def test_a_budget_that_renews_counts_only_its_current_period():
    driver = ScriptedDriver(says("one"), says("two"))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        budgets = runtime.registry.budgets
        wanted = {
            "subject_type": "session",
            "subject_id": talk.id,
            "currency": "tokens",
            "limit": 10,
            "period": "month",
        }
        budget = await budgets.create(BudgetInput.model_validate(wanted))
        assert await talk.say("a") == "one"
        await talk.send("b")
        assert await failure(talk) == "BUDGET_EXHAUSTED"
        assert budget.renews_at
        assert budget.renews_at in (await talk.ended()).data["error"]["message"]

        budgets._clock = lambda: parse_time(budget.renews_at)
        renewed = await budgets.get(budget.id)
        assert (renewed.status, renewed.balance) == ("active", 10)
        assert renewed.period_started_at == budget.renews_at
        assert await talk.say("c") == "two"


async def test_a_top_up_of_a_budget_that_renews_counts_in_its_period_alone():
    async with local_runtime() as runtime:
        talk = await Conversation.begin(runtime)
        budgets = runtime.registry.budgets
        wanted = {
            "subject_type": "session",
            "subject_id": talk.id,
            "currency": "usd",
            "limit": 10,
            "period": {"type": "calendar", "unit": "day"},
        }
        budget = await budgets.create(BudgetInput.model_validate(wanted))

        assert (await budgets.top_up(budget.id, TopUp(amount=0.1))).balance == 10.1
        budgets._clock = lambda: parse_time(budget.renews_at)
        assert (await budgets.get(budget.id)).balance == 10
        assert (await budgets.ledger(budget.id, 0, 10)).total == 1
