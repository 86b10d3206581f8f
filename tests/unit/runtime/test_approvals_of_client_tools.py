"""Calls of a client's own tools that are held until the user allows them."""

from typing import Any

import pytest

from everruns.domain.agents import AgentInput, AgentPatch
from everruns.domain.approvals import Decider
from everruns.domain.tools import ToolResults
from everruns.errors import MayNotDecide, NotWaiting
from everruns.runtime.local import LocalRuntime
from everruns.runtime.submitted_decisions import rejection
from tests.conversations import Conversation
from tests.held_calls import Kit, held, results
from tests.scripts import ScriptedDriver, call, calls, local_runtime, says

# Client-side tools


REFUND = {
    "name": "refund",
    "description": "Pay money back.",
    "parameters": {
        "type": "object",
        "properties": {"amount": {"type": "number", "exclusiveMinimum": 0}},
        "required": ["amount"],
    },
    "policy": "requires_approval",
}


async def ask_for_refund(
    runtime: LocalRuntime, *capabilities: Any, tool: dict[str, Any] = REFUND
) -> Conversation:
    talk = await Conversation.begin(runtime, tools=[tool], capabilities=list(capabilities))
    await talk.send("my money, please")
    return talk


async def refund(talk: Conversation, call_id: str) -> None:
    results = [{"tool_call_id": call_id, "result": "paid back"}]
    await talk.runtime.sessions.take(talk.id, ToolResults.model_validate({"tool_results": results}))


@pytest.mark.parametrize("capabilities", [[], ["tool_approval"]])
async def test_a_clients_tool_that_requires_approval_is_held_before_the_client_gets_it(
    capabilities: list[str],
):
    driver = ScriptedDriver(calls(call("refund", "a", amount=5)), says("Done."))
    async with local_runtime(driver) as runtime:
        talk = await ask_for_refund(runtime, *capabilities)
        (request,) = await held(talk)
        assert request["tool_call"]["arguments"] == {"amount": 5}
        assert await talk.data_of("tool.call") == []
        with pytest.raises(NotWaiting, match="not waiting for tool results"):
            await refund(talk, "a")

        await talk.decide("a", "allow")

        async with talk.reading() as reader:
            await reader.until_type("tool.call")
        await refund(talk, "a")
        await talk.ended()
        assert await results(talk) == {"a": "paid back"}


async def test_the_mode_off_holds_nothing_at_all():
    driver = ScriptedDriver(calls(call("refund", "a", amount=5)), says("Done."))
    async with local_runtime(driver) as runtime:
        off = {"ref": "tool_approval", "config": {"mode": "off"}}
        talk = await ask_for_refund(runtime, off)
        async with talk.reading() as reader:
            await reader.until_type("tool.call")
        assert await talk.data_of("tool.approval") == []
        await refund(talk, "a")
        await talk.ended()


async def test_nobody_is_asked_about_a_call_that_cannot_run():
    driver = ScriptedDriver(
        calls(call("refund", "a", amount=-1), call("destroy", "b"), call("ring", "c", times="x")),
        says("I see."),
    )
    ring = {
        "name": "ring",
        "description": "Ring.",
        "parameters": {"type": "object", "properties": {"times": {"type": "integer"}}},
    }
    async with local_runtime(driver, *Kit().tools) as runtime:
        talk = await Conversation.begin(
            runtime, tools=[REFUND, ring], capabilities=["kit", "tool_approval"]
        )
        assert await talk.say("go") == "I see."
        assert await talk.data_of("tool.approval") == []
        assert await results(talk) == {
            "a": "Parameter 'amount' is not valid: -1 is less than or equal to the minimum of 0",
            "b": "Missing required parameter: what",
            "c": "Parameter 'times' must be an integer",
        }


async def test_a_clients_tool_that_was_always_rejected_does_not_come_to_the_client():
    driver = ScriptedDriver(
        calls(call("refund", "a", amount=1)), calls(call("refund", "b", amount=2)), says("Done.")
    )
    async with local_runtime(driver) as runtime:
        talk = await ask_for_refund(runtime)
        await held(talk)
        await talk.decide("a", "reject_always")
        await talk.ended()
        assert await results(talk) == {"a": rejection(), "b": rejection()}


# Who decides


CUSTOMER = Decider(kind="end_user", name="ada")
SUPERVISOR = Decider(kind="operator", name="key_1")


@pytest.mark.parametrize("place", ["tool", "config"])
async def test_an_end_user_cannot_decide_what_an_operator_decides(place: str):
    driver = ScriptedDriver(calls(call("refund", "a", amount=5)), says("Sorry."))
    async with local_runtime(driver) as runtime:
        by_operator = {"decided_by": "operator"}
        talk = (
            await ask_for_refund(runtime, tool={**REFUND, **by_operator})
            if place == "tool"
            else await ask_for_refund(runtime, {"ref": "tool_approval", "config": by_operator})
        )
        await held(talk)
        (wait,) = (await runtime.registry.sessions.get(talk.id)).waiting_for
        assert wait.decided_by == "operator"
        with pytest.raises(MayNotDecide, match="An operator decides about call 'a'"):
            await talk.decide("a", "allow", CUSTOMER)

        await talk.decide("a", "reject", SUPERVISOR, reason="The order is 90 days old.")

        await talk.ended()
        decided = (await talk.data_of("tool.approval"))[-1]
        assert decided["decided_by"] == {"kind": "operator", "name": "key_1"}
        assert decided["reason"] == "The order is 90 days old."
        assert (await results(talk))["a"] == rejection("The order is 90 days old.")
        assert "90 days old" in rejection("The order is 90 days old.")


@pytest.mark.parametrize("by", [CUSTOMER, SUPERVISOR])
async def test_what_an_end_user_decides_an_operator_may_decide_too(by: Decider):
    driver = ScriptedDriver(calls(call("refund", "a", amount=5)), says("Sorry."))
    async with local_runtime(driver) as runtime:
        talk = await ask_for_refund(runtime)
        (request,) = await held(talk)
        assert request["decided_by"] == {"kind": "end_user"}
        await talk.decide("a", "reject", by)
        await talk.ended()
        assert (await talk.data_of("tool.approval"))[-1]["decided_by"] == by.wire()


async def test_a_permission_of_an_end_user_ends_when_an_operator_decides():
    driver = ScriptedDriver(
        calls(call("refund", "a", amount=1)),
        calls(call("refund", "b", amount=2)),
        says("Done."),
        calls(call("refund", "c", amount=3)),
        says("Done."),
    )
    async with local_runtime(driver) as runtime:
        wanted = AgentInput.model_validate({"name": "desk", "tools": [REFUND]})
        agent, _ = await runtime.registry.agents.create(wanted)
        talk = await Conversation.begin(runtime, agent_id=agent.id)
        await talk.send("refund")
        await held(talk)
        await talk.decide("a", "allow_always", CUSTOMER)
        for number, call_id in enumerate("ab", 1):
            async with talk.reading() as reader:
                await reader.until(
                    lambda want=number, reader=reader: (
                        sum(event.type == "tool.call" for event in reader.events) == want
                    )
                )
            await refund(talk, call_id)
        await talk.ended()
        by_operator = {"ref": "tool_approval", "config": {"decided_by": "operator"}}
        patch = AgentPatch.model_validate({"capabilities": [by_operator]})
        await runtime.registry.agents.update(agent.id, patch)
        await talk.send("once more")
        (_, request) = await held(talk, 2)
        assert request["tool_call_id"] == "c"
        await talk.decide("c", "reject")
        await talk.ended()
