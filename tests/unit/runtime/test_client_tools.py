"""Tools that the client runs: the turn asks, waits without holding anything, and goes on."""

from typing import Any

import pytest

from everruns.domain.tools import ClientToolResult as ToolResult
from everruns.domain.tools import ToolResults
from everruns.errors import CallClosed, Conflict, InvalidRequest, NotWaiting
from everruns.runtime.external_input import Accepted
from everruns.runtime.local import LocalRuntime
from everruns.storage.memory.store import MemoryStore
from everruns.tools.function import tool
from tests.conversations import Conversation
from tests.scripts import Gate, ScriptedDriver, call, calls, local_runtime, says
from tests.waiting import eventually


def client_tool(name: str) -> dict[str, Any]:
    return {"name": name, "description": name, "parameters": {"type": "object"}}


TOOLS = [client_tool("open_door"), client_tool("ring_bell")]


@tool()
async def here() -> str:
    """Run on the server."""
    return "from the server"


async def begin(runtime: LocalRuntime, **fields: Any) -> Conversation:
    talk = await Conversation.begin(runtime, tools=TOOLS, capabilities=["kit"], **fields)
    await talk.send("do it")
    return talk


async def waits(talk: Conversation) -> None:
    async with talk.reading() as reader:
        await reader.until(
            lambda: reader.events and reader.events[-1].data.get("client_side", False)
        )
    session = await talk.runtime.registry.sessions.get(talk.id)
    assert session.status == "waitingfortoolresults"


async def submit(talk: Conversation, *results: ToolResult) -> Accepted:
    return await talk.runtime.sessions.take(
        talk.id, ToolResults.model_validate({"tool_results": results})
    )


def result(call_id: str, value: Any = "done") -> ToolResult:
    return ToolResult(tool_call_id=call_id, result=value)


async def test_the_model_is_told_of_client_tools_and_reads_their_results():
    driver = ScriptedDriver(calls(call("open_door", place="home")), says("It is open."))
    async with local_runtime(driver, here) as runtime:
        talk = await begin(runtime)
        await waits(talk)
        assert [known.name for known in driver.requests[0].tools] == [
            "here",
            "open_door",
            "ring_bell",
        ]
        (asked,) = await talk.data_of("tool.call")
        assert asked["tool_call"]["arguments"] == {"place": "home"}
        assert (asked["client_side"], asked["timeout_ms"]) == (True, 300_000)

        submitted = await submit(talk, result("call_open_door", {"open": True}))
        assert (submitted.accepted, submitted.status) == (1, "active")
        await talk.ended()
        (answered,) = await talk.data_of("tool.result")
        assert (answered["result"], answered["success"]) == ({"open": True}, True)
        assert (await talk.messages())[-1].text == "It is open."


async def test_the_servers_tools_run_before_the_client_is_asked():
    driver = ScriptedDriver(calls(call("open_door"), call("here")), says("Done."))
    async with local_runtime(driver, here) as runtime:
        talk = await begin(runtime)
        await waits(talk)
        assert (await talk.types())[-3:] == ["tool.call", "tool.result", "tool.call"]
        await submit(talk, result("call_open_door"))
        await talk.ended()


async def test_partial_results_add_up():
    driver = ScriptedDriver(calls(call("open_door"), call("ring_bell")), says("Done."))
    async with local_runtime(driver, here) as runtime:
        talk = await begin(runtime)
        await waits(talk)
        first = await submit(talk, result("call_ring_bell"))
        assert (first.accepted, first.status) == (1, "waitingfortoolresults")
        with pytest.raises(Conflict, match="call_ring_bell"):
            await submit(talk, result("call_ring_bell", "other"), result("call_open_door"))
        await submit(talk, ToolResult(tool_call_id="call_open_door", error="It is stuck."))
        await talk.ended()
        stuck = (await talk.data_of("tool.result"))[-1]
        assert (stuck["error"], stuck["success"]) == ("It is stuck.", False)
        assert len(driver.requests) == 2


async def test_results_that_nobody_waits_for_are_refused():
    gate = Gate()

    @tool()
    async def slow() -> str:
        """Take a while."""
        await gate.pass_through()
        return "done"

    driver = ScriptedDriver(calls(call("open_door"), call("slow")), says("Done."))
    async with local_runtime(driver, slow) as runtime:
        talk = await begin(runtime)
        await gate.reached.wait()
        with pytest.raises(NotWaiting, match="not waiting for tool results"):
            await submit(talk, result("call_open_door"))
        gate.open()
        await waits(talk)
        with pytest.raises(InvalidRequest, match="call_unknown"):
            await submit(talk, result("call_unknown"))
        with pytest.raises(InvalidRequest, match="once"):
            await submit(talk, result("call_open_door"), result("call_open_door"))
        await submit(talk, result("call_open_door"))
        await talk.ended()
        with pytest.raises(Conflict, match="already answered differently"):
            await submit(talk, result("call_open_door", "other"))
        with pytest.raises(InvalidRequest, match=r"call_unknown.*Calls that do: none"):
            await submit(talk, result("call_unknown"))


async def test_a_result_given_twice_is_accepted_and_changes_nothing():
    driver = ScriptedDriver(calls(call("open_door"), call("ring_bell")), says("Done."))
    async with local_runtime(driver, here) as runtime:
        talk = await begin(runtime)
        await waits(talk)
        await submit(talk, result("call_ring_bell"))
        before = await talk.log()
        again = await submit(talk, result("call_ring_bell"))
        assert again == Accepted(0, 1, "waitingfortoolresults")
        assert await talk.log() == before
        both = [result("call_ring_bell"), result("call_open_door")]
        assert await submit(talk, *both) == Accepted(1, 1, "active")
        await talk.ended()
        before = await talk.log()
        late = await submit(talk, *both)
        assert late == Accepted(0, 2, "idle")
        assert await talk.log() == before


async def test_a_message_goes_before_calls_that_are_open():
    driver = ScriptedDriver(
        calls(call("open_door"), call("ring_bell")), says("As you wish."), says("Unused.")
    )
    async with local_runtime(driver, here) as runtime:
        talk = await begin(runtime)
        await waits(talk)
        await submit(talk, result("call_ring_bell"))
        await talk.send("never mind")
        await talk.ended()
        rung, discarded = await talk.data_of("tool.result")
        assert rung["success"]
        assert "message instead" in discarded["error"]
        assert discarded["unanswered"] == "superseded"
        with pytest.raises(CallClosed, match="the user sent a message instead"):
            await submit(talk, result("call_open_door"))
        assert driver.read(1)[-1] == "user: never mind"
        assert (await talk.types()).count("session.started") == 1


async def test_calls_that_nobody_answers_in_time_are_answered_with_an_error():
    driver = ScriptedDriver(calls(call("open_door")), says("Nobody came."))
    async with local_runtime(driver, here, client_tool_timeout_s=0.05) as runtime:
        talk = await begin(runtime)
        await talk.ended()
        (late,) = await talk.data_of("tool.result")
        assert late["error"] == "Timed out waiting for client tool results"
        assert late["duration_ms"] >= 50
        with pytest.raises(CallClosed, match="its time was over"):
            await submit(talk, result("call_open_door"))


async def test_a_waiting_session_leaves_memory_and_goes_on_when_it_is_answered():
    driver = ScriptedDriver(calls(call("open_door")), says("It is open."))
    async with local_runtime(driver, here, hibernate_after_s=0.02) as runtime:
        talk = await begin(runtime)
        await waits(talk)
        await eventually(lambda: not runtime.host.held._sessions)
        assert not await runtime.registry.hosting.abandoned()
        await submit(talk, result("call_open_door"))
        await talk.ended()
        assert (await talk.messages())[-1].text == "It is open."


async def test_a_wait_ends_in_time_though_nobody_holds_the_session():
    driver = ScriptedDriver(calls(call("open_door")), says("Nobody came."))
    async with local_runtime(
        driver, here, hibernate_after_s=0.02, client_tool_timeout_s=0.5
    ) as runtime:
        talk = await begin(runtime)
        await eventually(lambda: talk.id not in runtime.host.held._sessions)
        await eventually(lambda: len(driver.requests) == 2)
        assert (await talk.data_of("tool.result"))[0]["success"] is False


async def test_a_wait_survives_the_end_of_the_process():
    store, driver = MemoryStore(), ScriptedDriver(calls(call("open_door")), says("It is open."))
    async with local_runtime(driver, here, store=store) as runtime:
        talk = await begin(runtime)
        await waits(talk)
    async with local_runtime(driver, here, store=store) as later:
        talk.runtime = later
        submitted = await submit(talk, result("call_open_door"))
        assert submitted.accepted == 1
        await talk.ended()
        assert (await talk.messages())[-1].text == "It is open."


async def test_cancelling_ends_a_wait():
    driver = ScriptedDriver(calls(call("open_door")))
    async with local_runtime(driver, here) as runtime:
        talk = await begin(runtime)
        await waits(talk)
        assert await runtime.sessions.cancel(talk.id)
        assert (await talk.ended()).type == "session.cancelled"
        (given_up,) = await talk.data_of("tool.result")
        assert "cancelled" in given_up["error"]
        with pytest.raises(CallClosed, match="its turn has ended"):
            await submit(talk, result("call_open_door"))
        session = await runtime.registry.sessions.get(talk.id)
        assert session.status == "idle"


async def test_a_servers_tool_goes_before_a_clients_of_the_same_name():
    driver = ScriptedDriver(calls(call("here")), says("Done."))
    async with local_runtime(driver, here) as runtime:
        talk = await Conversation.begin(runtime, tools=[client_tool("here")], capabilities=["kit"])
        assert await talk.say("do it") == "Done."
        (answered,) = await talk.data_of("tool.result")
        assert answered["result"] == "from the server"
