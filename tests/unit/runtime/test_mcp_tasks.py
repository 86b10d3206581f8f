"""A server's task is waited for without anything that could be lost: ``everruns.mcp.tasks``."""

import asyncio
from typing import Any

import pytest

from everruns.domain.events import ToolProgress
from everruns.domain.questions import QuestionAnswers
from everruns.mcp.tasks import TaskHandle, wait_s
from everruns.runtime.local import LocalRuntime
from everruns.storage.memory.store import MemoryStore
from tests.conversations import Conversation
from tests.mcp_server import Exchange, ScriptedServer, tool
from tests.mcp_tasks import DONE, STAMPS, TaskServer
from tests.scripts import Gate, ScriptedDriver, call, calls, local_runtime, says
from tests.waiting import eventually

KEY = "k" * 20
WORKING = {"status": "working"}
COMPLETED = {"status": "completed", "result": DONE}
SIZE = {
    "method": "elicitation/create",
    "params": {
        "mode": "form",
        "message": "How large?",
        "requestedSchema": {
            "type": "object",
            "properties": {"size": {"type": "string", "enum": ["small", "large"]}},
            "required": ["size"],
        },
    },
}
ASKING = {"status": "input_required", "inputRequests": {"f": SIZE}}


def baking() -> ScriptedDriver:
    return ScriptedDriver(calls(call("mcp_shop__bake", "c1")), says("Done."))


def runtime_with(driver: ScriptedDriver, **settings: Any) -> Any:
    return local_runtime(driver, allow_private_addresses=True, **settings)


async def begin(runtime: LocalRuntime, server: ScriptedServer, **fields: Any) -> Conversation:
    talk = await Conversation.begin(runtime, mcp_servers={"shop": {"url": server.url, **fields}})
    await talk.send("bake")
    return talk


async def suspended(talk: Conversation, count: int = 1) -> None:
    async with talk.reading() as reader:
        await reader.until(
            lambda: sum(event.type == "tool.suspended" for event in reader.events) >= count
        )


async def outcome(talk: Conversation) -> dict[str, Any]:
    await talk.ended()
    (result,) = await talk.data_of("tool.result")
    return result


async def reply(talk: Conversation, identity: str, **fields: Any) -> None:
    answers = [{"id": identity, "selected": ["small"]}]
    given = QuestionAnswers.model_validate({"answers": answers, **fields})
    await talk.runtime.sessions.take(talk.id, given)


async def asked(talk: Conversation) -> dict[str, Any]:
    async with talk.reading() as reader:
        await reader.until(lambda: any(e.data.get("client_side") for e in reader.events))
    return (await talk.data_of("tool.call"))[-1]["tool_call"]["arguments"]["questions"][0]


async def test_a_task_is_looked_at_until_it_has_a_result():
    async with TaskServer(WORKING, WORKING, COMPLETED) as server, runtime_with(baking()) as runtime:
        talk = await begin(runtime, server)
        assert (await outcome(talk))["result"] == "baked"
    assert len(server.asked("tools/call")) == 1
    looks = server.asked("tasks/get")
    assert len(looks) == 3
    assert looks[0].message["params"]["taskId"] == "task-1"
    # Proxies find the server that has the task by its headers.
    assert (looks[0].headers["mcp-method"], looks[0].headers["mcp-name"]) == ("tasks/get", "task-1")
    meta = server.asked("tools/call")[0].message["params"]["_meta"]
    capabilities = meta["io.modelcontextprotocol/clientCapabilities"]
    assert "io.modelcontextprotocol/tasks" in capabilities["extensions"]


async def test_between_two_looks_the_session_need_not_be_held():
    async with TaskServer(WORKING) as server, runtime_with(baking()) as runtime:
        server.common["pollIntervalMs"] = 3_600_000
        talk = await begin(runtime, server)
        await suspended(talk)
        await eventually(lambda: runtime.host.held.quiet)
        assert await runtime.host.hibernate(0) == 1


async def test_what_a_task_says_is_shown_while_the_call_sleeps():
    state = {**WORKING, "statusMessage": "The oven is hot"}
    async with TaskServer(state) as server, runtime_with(baking()) as runtime:
        talk = await begin(runtime, server)
        async with talk.reading() as reader:
            said = await reader.until_type("tool.progress")
        assert isinstance(said, ToolProgress)
        assert said.text == "The oven is hot"
        await suspended(talk, 2)
        (shown,) = runtime.host.held.loaded[talk.id].progress_after(0)
        assert shown.text == "The oven is hot"


async def test_a_task_goes_on_in_another_process():
    store = MemoryStore()
    driver = baking()
    async with TaskServer(WORKING) as server:
        async with runtime_with(driver, store=store) as runtime:
            talk = await begin(runtime, server)
            await suspended(talk)
        server.states = [COMPLETED]
        async with runtime_with(driver, store=store) as later:
            talk.runtime = later
            assert (await outcome(talk))["result"] == "baked"
    assert len(server.asked("tools/call")) == 1


async def test_a_process_that_is_lost_while_it_looks_costs_nothing():
    store, driver, gate = MemoryStore(), baking(), Gate()

    async def held(exchange: Exchange) -> None:
        await gate.pass_through()
        await exchange.result()

    async with TaskServer(COMPLETED) as server:
        look, server.behaviours["tasks/get"] = server.behaviours["tasks/get"], held
        async with runtime_with(driver, store=store) as runtime:
            talk = await begin(runtime, server)
            await asyncio.wait_for(gate.reached.wait(), 20)
        server.behaviours["tasks/get"] = look
        async with runtime_with(driver, store=store) as later:
            talk.runtime = later
            assert (await outcome(talk))["result"] == "baked"
    assert len(server.asked("tools/call")) == 1


async def test_a_process_that_is_lost_before_it_has_the_handle_leaves_the_outcome_unknown():
    store, driver, gate = MemoryStore(), baking(), Gate()

    async def created(exchange: Exchange) -> None:
        await gate.pass_through()
        await exchange.result(**server.common, resultType="task", status="working")

    async with TaskServer(COMPLETED) as server:
        server.behaviours["tools/call"] = created
        async with runtime_with(driver, store=store) as runtime:
            talk = await begin(runtime, server)
            await asyncio.wait_for(gate.reached.wait(), 20)
        async with runtime_with(driver, store=store) as later:
            talk.runtime = later
            assert "outcome of this call is unknown" in (await outcome(talk))["error"]
    assert len(server.asked("tools/call")) == 1


async def test_what_a_task_asks_becomes_a_question_and_the_answer_goes_back_once():
    async with (
        TaskServer(ASKING, ASKING, COMPLETED) as server,
        runtime_with(baking()) as runtime,
    ):
        talk = await begin(runtime, server)
        question = await asked(talk)
        assert question["question"].startswith("shop: How large?")
        await reply(talk, "f.size")
        assert (await outcome(talk))["result"] == "baked"
    assert server.answers == [{"f": {"action": "accept", "content": {"size": "small"}}}]
    assert len(server.asked("tasks/get")) == 3


async def test_an_answer_waits_for_a_server_that_is_away():
    async with TaskServer(ASKING, COMPLETED) as server, runtime_with(baking()) as runtime:
        talk = await begin(runtime, server)
        await asked(talk)
        update = server.behaviours["tasks/update"]

        async def away_once(exchange: Exchange) -> None:
            server.behaviours["tasks/update"] = update
            await exchange.raw(b"", 503)

        server.behaviours["tasks/update"] = away_once
        await reply(talk, "f.size")
        assert (await outcome(talk))["result"] == "baked"
    assert server.answers == [{"f": {"action": "accept", "content": {"size": "small"}}}]


async def test_a_task_that_asks_for_what_nobody_can_give_is_cancelled():
    sampling = {"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}}
    state = {"status": "input_required", "inputRequests": {"s": sampling}}
    async with TaskServer(state) as server, runtime_with(baking()) as runtime:
        talk = await begin(runtime, server)
        assert "nobody here can give" in (await outcome(talk))["error"]
        assert server.cancelled.is_set()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (
            {"status": "failed", "error": {"code": -32603, "message": "Too hot"}},
            "its task has failed: Too hot",
        ),
        ({"status": "cancelled", "statusMessage": "Closed."}, "its task was cancelled: Closed"),
        (
            {"status": "completed", "result": {**DONE, "isError": True}},
            "baked",
        ),
    ],
    ids=["failed", "cancelled", "failed tool"],
)
async def test_a_task_that_fails_says_why(state: dict[str, Any], words: str):
    async with TaskServer(state) as server, runtime_with(baking()) as runtime:
        talk = await begin(runtime, server)
        assert words in (await outcome(talk))["error"]


async def test_a_task_that_the_server_does_not_know_any_more_has_an_unknown_outcome():
    async def forgotten(exchange: Exchange) -> None:
        await exchange.error("Failed to retrieve task: Task not found", -32602)

    async with TaskServer(WORKING) as server, runtime_with(baking()) as runtime:
        server.behaviours["tasks/get"] = forgotten
        talk = await begin(runtime, server)
        error = (await outcome(talk))["error"]
    assert "Task not found" in error
    assert "unknown whether the call took effect" in error


async def test_a_task_that_outlives_its_time_is_cancelled_and_given_up():
    async with TaskServer(WORKING, ttl_ms=1) as server, runtime_with(baking()) as runtime:
        talk = await begin(runtime, server)
        assert "It is unknown what it has done" in (await outcome(talk))["error"]
        assert server.cancelled.is_set()


async def test_the_task_of_a_cancelled_turn_is_cancelled_at_the_server():
    async with TaskServer(WORKING) as server, runtime_with(baking()) as runtime:
        talk = await begin(runtime, server)
        await suspended(talk)
        await runtime.sessions.cancel(talk.id)
        await asyncio.wait_for(server.cancelled.wait(), 20)
        assert "cancelled" in (await outcome(talk))["error"]


@pytest.mark.parametrize("is_held", [True, False])
async def test_the_task_of_a_deleted_session_is_cancelled_at_the_server(is_held: bool):
    async with TaskServer(WORKING) as server, runtime_with(baking()) as runtime:
        server.common["pollIntervalMs"] = 3_600_000
        talk = await begin(runtime, server)
        await suspended(talk)
        if not is_held:
            await eventually(lambda: runtime.host.held.quiet)
            await runtime.host.hibernate(0)
        await runtime.sessions.delete(talk.id)
        await asyncio.wait_for(server.cancelled.wait(), 20)


async def test_the_task_of_a_question_that_a_message_replaces_is_cancelled_at_the_server():
    driver = ScriptedDriver(calls(call("mcp_shop__bake", "c1")), says("Never mind."))
    async with TaskServer(ASKING) as server, runtime_with(driver) as runtime:
        talk = await begin(runtime, server)
        await asked(talk)
        await talk.send("stop it")
        await asyncio.wait_for(server.cancelled.wait(), 20)
        await talk.ended()


async def test_a_task_whose_handle_repeats_a_secret_is_not_stored():
    async with (
        TaskServer(COMPLETED, task_id=f"t-{KEY}") as server,
        runtime_with(baking()) as runtime,
    ):
        talk = await begin(runtime, server, headers={"X-Key": KEY})
        error = (await outcome(talk))["error"]
        assert KEY not in str([event.body for event in await talk.log()])
    assert "begins a task that repeats a secret" in error


async def test_secrets_are_taken_out_of_what_a_task_says_and_returns():
    content = {"content": [{"type": "text", "text": f"baked with {KEY}"}]}
    states = {**WORKING, "statusMessage": KEY}, {"status": "completed", "result": content}
    async with TaskServer(*states) as server, runtime_with(baking()) as runtime:
        talk = await begin(runtime, server, headers={"X-Key": KEY})
        assert (await outcome(talk))["result"] == "baked with ***"


def test_a_task_is_looked_at_less_often_the_longer_it_takes():
    day = 86_400_000
    handle = TaskHandle(id="t", begun_ms=0, ends_ms=day)
    minute = 60_000
    assert wait_s(handle, None, 0) == 1
    assert wait_s(handle, 5.0, 0) == 5
    assert wait_s(handle, 5.0, 10 * minute) == 60
    assert wait_s(handle, 5.0, 600 * minute) == 240
    # What its server wants counts first, and towards the end of its time it is looked at more.
    assert wait_s(handle, 900.0, 600 * minute) == 900
    assert wait_s(handle, 5.0, day - 20_000) == 10
    assert wait_s(handle, 10.0**9, 0) == 3600


async def test_a_tool_of_2025_11_25_that_requires_a_task_is_given_one():
    stamps = {"taskId": "t-1", "ttl": 60_000, "pollInterval": 1, **STAMPS}

    async def initialize(exchange: Exchange) -> None:
        result = {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}, "tasks": {"requests": {"tools": {"call": {}}}}},
            "serverInfo": {"name": "scripted", "version": "1"},
        }
        await exchange.result(**result)

    async def create(exchange: Exchange) -> None:
        assert exchange.message["params"]["task"] == {"ttl": 604_800_000}
        await exchange.result(task={**stamps, "status": "working"})

    bake = tool("bake", execution={"taskSupport": "required"})
    async with (
        ScriptedServer(create, [bake]) as server,
        runtime_with(baking()) as runtime,
    ):
        server._needs_session = lambda _method: False
        server.behaviours["initialize"] = initialize
        server.behaviours["tasks/get"] = lambda seen: seen.result(**stamps, status="completed")
        server.behaviours["tasks/result"] = lambda seen: seen.result(**DONE)
        talk = await begin(runtime, server)
        assert (await outcome(talk))["result"] == "baked"
