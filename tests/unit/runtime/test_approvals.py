"""Tool calls that are held until the user allows them."""

from typing import Any

import pytest

from everruns.domain.agents import AgentInput, AgentPatch
from everruns.domain.approvals import Decider, ToolApprovals
from everruns.domain.tools import ToolResults
from everruns.errors import CallClosed, Conflict, InvalidRequest, MayNotDecide, NotWaiting
from everruns.runtime.external_input import Accepted
from everruns.runtime.local import LocalRuntime
from everruns.runtime.submitted_decisions import rejection
from everruns.runtime.waiting import NOT_APPROVED
from everruns.storage.memory.store import MemoryStore
from everruns.tools.base import Tool
from everruns.tools.function import tool
from tests.conversations import Conversation
from tests.scripts import Gate, ScriptedDriver, call, calls, local_runtime, says


class Kit:
    """Tools that note what they did."""

    def __init__(self) -> None:
        self.done: list[str] = []
        done = self.done

        @tool(destructive=True)
        async def destroy(what: str) -> str:
            """Destroy something."""
            done.append(what)
            return "destroyed"

        @tool()
        async def write(what: str) -> str:
            """Write something."""
            done.append(what)
            return "written"

        @tool(repeatable=True)
        async def look() -> str:
            """Look."""
            done.append("look")
            return "seen"

        self.tools: list[Tool] = [destroy, write, look]


@pytest.fixture
def kit() -> Kit:
    return Kit()


async def begin(runtime: LocalRuntime, mode: str | None = None, **config: Any) -> Conversation:
    approval = {"ref": "tool_approval", "config": {**({"mode": mode} if mode else {}), **config}}
    talk = await Conversation.begin(runtime, capabilities=["kit", approval])
    await talk.send("do it")
    return talk


async def held(talk: Conversation, count: int = 1) -> list[dict[str, Any]]:
    async with talk.reading() as reader:
        await reader.until(
            lambda: sum(event.data.get("status") == "requested" for event in reader.events) >= count
        )
    session = await talk.runtime.registry.sessions.get(talk.id)
    assert session.status == "waitingfortoolresults"
    requests = await talk.data_of("tool.approval")
    return [request for request in requests if request["status"] == "requested"]


async def decide(talk: Conversation, **decisions: str) -> Accepted:
    given = [{"tool_call_id": key, "decision": decision} for key, decision in decisions.items()]
    return await talk.runtime.sessions.take(
        talk.id, ToolApprovals.model_validate({"decisions": given})
    )


async def results(talk: Conversation) -> dict[str, Any]:
    stored = await talk.data_of("tool.result")
    return {data["tool_call_id"]: data.get("error") or data["result"] for data in stored}


async def test_what_destroys_is_held_until_it_is_allowed(kit: Kit):
    driver = ScriptedDriver(
        calls(call("destroy", "a", what="old"), call("write", "b", what="new")), says("Done.")
    )
    async with local_runtime(driver, *kit.tools) as runtime:
        talk = await begin(runtime)
        (request,) = await held(talk)
        assert (request["tool_call_id"], request["timeout_ms"]) == ("a", 86_400_000)
        assert request["tool_call"]["arguments"] == {"what": "old"}
        assert kit.done == ["new"]

        taken = await decide(talk, a="allow")

        assert (taken.accepted, taken.status) == (1, "active")
        await talk.ended()
        assert kit.done == ["new", "old"]
        assert await results(talk) == {"a": "destroyed", "b": "written"}
        before = await talk.log()
        again = await decide(talk, a="allow")
        assert (again.accepted, again.status) == (1, "idle")
        assert await talk.log() == before
        with pytest.raises(Conflict, match="'a' was already answered differently"):
            await decide(talk, a="reject")


async def test_what_is_rejected_does_not_run(kit: Kit):
    driver = ScriptedDriver(calls(call("destroy", "a", what="old")), says("All right."))
    async with local_runtime(driver, *kit.tools) as runtime:
        talk = await begin(runtime)
        await held(talk)
        await decide(talk, a="reject")
        await talk.ended()
        assert (kit.done, await results(talk)) == ([], {"a": rejection()})


@pytest.mark.parametrize(("mode", "runs"), [("off", 3), ("protective", 1)])
async def test_the_mode_says_what_is_held(kit: Kit, mode: str, runs: int):
    wanted = [call("destroy", "a", what="x"), call("write", "b", what="y"), call("look", "c")]
    driver = ScriptedDriver(calls(*wanted), says("Done."))
    async with local_runtime(driver, *kit.tools) as runtime:
        talk = await begin(runtime, mode)
        if runs < 3:
            assert {request["name"] for request in await held(talk, 2)} == {"destroy", "write"}
            assert len(kit.done) == runs
            partly = await decide(talk, a="allow")
            assert partly.status == "active"
            await decide(talk, b="reject")
        await talk.ended()
        assert kit.done.count("x") == 1


async def test_always_holds_for_later_calls_of_the_tool(kit: Kit):
    driver = ScriptedDriver(
        calls(call("destroy", "a", what="1"), call("destroy", "b", what="2")),
        calls(call("destroy", "c", what="3")),
        says("Done."),
    )
    async with local_runtime(driver, *kit.tools) as runtime:
        talk = await begin(runtime)
        await held(talk, 2)
        assert (await decide(talk, a="allow_always")).accepted == 2
        await talk.ended()
        assert sorted(kit.done) == ["1", "2", "3"]


async def test_never_holds_for_later_calls_too(kit: Kit):
    driver = ScriptedDriver(
        calls(call("destroy", "a", what="1")), calls(call("destroy", "b", what="2")), says("Done.")
    )
    async with local_runtime(driver, *kit.tools) as runtime:
        talk = await begin(runtime)
        await held(talk)
        await decide(talk, a="reject_always")
        await talk.ended()
        assert (kit.done, await results(talk)) == ([], {"a": rejection(), "b": rejection()})


async def test_a_decision_of_no_held_call_is_refused(kit: Kit):
    driver = ScriptedDriver(calls(call("destroy", "a", what="1")), says("Done."))
    async with local_runtime(driver, *kit.tools) as runtime:
        talk = await begin(runtime)
        await held(talk)
        with pytest.raises(
            InvalidRequest, match=r"call 'b' does not wait for approvals\. Calls that do: 'a'"
        ):
            await decide(talk, b="allow")
        await decide(talk, a="allow")
        await talk.ended()


async def test_silence_is_no_approval(kit: Kit):
    driver = ScriptedDriver(calls(call("destroy", "a", what="1")), says("Done."))
    async with local_runtime(driver, *kit.tools, approval_timeout_s=0.05) as runtime:
        talk = await begin(runtime)
        await talk.ended()
        assert (kit.done, await results(talk)) == ([], {"a": NOT_APPROVED})


async def test_a_message_goes_before_calls_that_are_held(kit: Kit):
    driver = ScriptedDriver(calls(call("destroy", "a", what="1")), says("As you wish."))
    async with local_runtime(driver, *kit.tools) as runtime:
        talk = await begin(runtime)
        await held(talk)
        await talk.send("never mind")
        await talk.ended()
        assert kit.done == []
        assert "message instead" in (await results(talk))["a"]


async def test_an_approval_survives_the_end_of_the_process(kit: Kit):
    store = MemoryStore()
    driver = ScriptedDriver(calls(call("destroy", "a", what="old")), says("Done."))
    async with local_runtime(driver, *kit.tools, store=store) as runtime:
        talk = await begin(runtime)
        await held(talk)
    async with local_runtime(driver, *kit.tools, store=store) as later:
        talk.runtime = later
        await decide(talk, a="allow")
        await talk.ended()
        assert kit.done == ["old"]


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

        await decide(talk, a="allow")

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


async def test_a_servers_tool_that_requires_approval_is_held_without_the_capability():
    @tool(requires_approval=True, decided_by="operator")
    async def pay() -> str:
        """Pay."""
        return "paid"

    driver = ScriptedDriver(calls(call("pay", "a")), says("Done."))
    async with local_runtime(driver, pay) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("pay")
        (request,) = await held(talk)
        assert request["decided_by"] == {"kind": "operator"}
        await decide(talk, a="allow")
        await talk.ended()
        assert await results(talk) == {"a": "paid"}


async def test_nobody_is_asked_about_a_call_that_cannot_run(kit: Kit):
    driver = ScriptedDriver(
        calls(call("refund", "a", amount=-1), call("destroy", "b"), call("ring", "c", times="x")),
        says("I see."),
    )
    ring = {
        "name": "ring",
        "description": "Ring.",
        "parameters": {"type": "object", "properties": {"times": {"type": "integer"}}},
    }
    async with local_runtime(driver, *kit.tools) as runtime:
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
        await decide(talk, a="reject_always")
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
        decision = {"tool_call_id": "a", "decision": "allow"}
        given = ToolApprovals.model_validate({"decisions": [decision]})
        with pytest.raises(MayNotDecide, match="An operator decides about call 'a'"):
            await runtime.sessions.take(talk.id, given, CUSTOMER)

        why = {**decision, "decision": "reject", "reason": "The order is 90 days old."}
        given = ToolApprovals.model_validate({"decisions": [why]})
        await runtime.sessions.take(talk.id, given, SUPERVISOR)

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
        given = {"decisions": [{"tool_call_id": "a", "decision": "reject"}]}
        await runtime.sessions.take(talk.id, ToolApprovals.model_validate(given), by)
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
        given = {"decisions": [{"tool_call_id": "a", "decision": "allow_always"}]}
        await runtime.sessions.take(talk.id, ToolApprovals.model_validate(given), CUSTOMER)
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
        await decide(talk, c="reject")
        await talk.ended()


async def test_a_decision_that_comes_after_the_end_is_told_how_it_ended(kit: Kit):
    driver = ScriptedDriver(
        calls(call("destroy", "a", what="1")),
        says("Done."),
        calls(call("destroy", "b", what="1")),
    )
    async with local_runtime(driver, *kit.tools) as runtime:
        talk = await begin(runtime)
        await held(talk)
        await talk.send("never mind")
        await talk.ended()
        with pytest.raises(CallClosed, match="the user sent a message instead"):
            await decide(talk, a="allow")
        await talk.send("again")
        await held(talk, 2)
        await runtime.sessions.cancel(talk.id)
        with pytest.raises(CallClosed, match="its turn has ended"):
            await decide(talk, b="allow")


async def test_what_is_held_is_shown_and_taken_while_another_call_runs():
    gate = Gate()

    @tool(requires_approval=True)
    async def slow(what: str) -> str:
        """Take a while."""
        if what == "first":
            await gate.pass_through()
        return what

    wanted = [call("slow", "a", what="first"), call("slow", "b", what="second")]
    driver = ScriptedDriver(calls(*wanted), says("Done."))
    async with local_runtime(driver, slow) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("go")
        await held(talk, 2)
        await decide(talk, a="allow")
        await gate.reached.wait()
        session = await runtime.registry.sessions.get(talk.id)
        assert session.status == "active"
        assert [wait.tool_call_id for wait in session.waiting_for] == ["b"]
        assert (await decide(talk, b="allow")).stored == 1
        gate.open()
        await talk.ended()
        assert await results(talk) == {"a": "first", "b": "second"}
