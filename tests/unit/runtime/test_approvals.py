"""Tool calls that are held until the user allows them."""

from typing import Any

import pytest

from everruns.errors import CallClosed, Conflict, InvalidRequest
from everruns.runtime.local import LocalRuntime
from everruns.runtime.submitted_decisions import rejection
from everruns.runtime.waiting import NOT_APPROVED
from everruns.storage.memory.store import MemoryStore
from everruns.tools.function import tool
from tests.conversations import Conversation
from tests.held_calls import Kit, held, results
from tests.scripts import Gate, ScriptedDriver, call, calls, local_runtime, says


@pytest.fixture
def kit() -> Kit:
    return Kit()


async def begin(runtime: LocalRuntime, mode: str | None = None, **config: Any) -> Conversation:
    approval = {"ref": "tool_approval", "config": {**({"mode": mode} if mode else {}), **config}}
    talk = await Conversation.begin(runtime, capabilities=["kit", approval])
    await talk.send("do it")
    return talk


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

        taken = await talk.decide("a", "allow")

        assert (taken.accepted, taken.status) == (1, "active")
        await talk.ended()
        assert kit.done == ["new", "old"]
        assert await results(talk) == {"a": "destroyed", "b": "written"}
        before = await talk.log()
        again = await talk.decide("a", "allow")
        assert (again.accepted, again.status) == (1, "idle")
        assert await talk.log() == before
        with pytest.raises(Conflict, match="'a' was already answered differently"):
            await talk.decide("a", "reject")


async def test_what_is_rejected_does_not_run(kit: Kit):
    driver = ScriptedDriver(calls(call("destroy", "a", what="old")), says("All right."))
    async with local_runtime(driver, *kit.tools) as runtime:
        talk = await begin(runtime)
        await held(talk)
        await talk.decide("a", "reject")
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
            partly = await talk.decide("a", "allow")
            assert partly.status == "active"
            await talk.decide("b", "reject")
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
        assert (await talk.decide("a", "allow_always")).accepted == 2
        await talk.ended()
        assert sorted(kit.done) == ["1", "2", "3"]


async def test_never_holds_for_later_calls_too(kit: Kit):
    driver = ScriptedDriver(
        calls(call("destroy", "a", what="1")), calls(call("destroy", "b", what="2")), says("Done.")
    )
    async with local_runtime(driver, *kit.tools) as runtime:
        talk = await begin(runtime)
        await held(talk)
        await talk.decide("a", "reject_always")
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
            await talk.decide("b", "allow")
        await talk.decide("a", "allow")
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
        await talk.decide("a", "allow")
        await talk.ended()
        assert kit.done == ["old"]


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
        await talk.decide("a", "allow")
        await talk.ended()
        assert await results(talk) == {"a": "paid"}


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
            await talk.decide("a", "allow")
        await talk.send("again")
        await held(talk, 2)
        await runtime.sessions.cancel(talk.id)
        with pytest.raises(CallClosed, match="its turn has ended"):
            await talk.decide("b", "allow")


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
        await talk.decide("a", "allow")
        await gate.reached.wait()
        session = await runtime.registry.sessions.get(talk.id)
        assert session.status == "active"
        assert [wait.tool_call_id for wait in session.waiting_for] == ["b"]
        assert (await talk.decide("b", "allow")).stored == 1
        gate.open()
        await talk.ended()
        assert await results(talk) == {"a": "first", "b": "second"}
