"""Tool calls that are held until the user allows them."""

from typing import Any

import pytest

from everruns.domain.approvals import ToolApprovals
from everruns.errors import Conflict, InvalidRequest
from everruns.runtime.local import LocalRuntime
from everruns.runtime.taking import Taken, rejection
from everruns.runtime.waiting import NOT_APPROVED
from everruns.storage.memory import MemoryStore
from everruns.tools.base import Tool
from everruns.tools.function import tool
from tests.conversations import Conversation
from tests.scripts import ScriptedDriver, call, calls, local_runtime, says


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


async def decide(talk: Conversation, **decisions: str) -> Taken:
    given = [{"tool_call_id": key, "decision": decision} for key, decision in decisions.items()]
    return await talk.runtime.take(talk.id, ToolApprovals.model_validate({"decisions": given}))


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
