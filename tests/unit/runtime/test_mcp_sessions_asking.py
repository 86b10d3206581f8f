"""A server with sessions asks in the middle of a call, which waits while the user is asked."""

import asyncio
from typing import Any

import pytest

from everruns.domain.questions import QuestionAnswers
from everruns.domain.tools import ToolResults
from everruns.errors import CallClosed, UnknownCall
from everruns.mcp.connections import Connections
from everruns.mcp.limits import Limits
from everruns.runtime.external_input import Accepted
from everruns.runtime.local import LocalRuntime
from everruns.runtime.tool_step import UNKNOWN_OUTCOME
from everruns.storage.memory.store import MemoryStore
from tests.conversations import Conversation
from tests.mcp_askers import FORM, AskingServer
from tests.mcp_server import Exchange, tool
from tests.scripts import ScriptedDriver, call, calls, local_runtime, says
from tests.waiting import eventually

KEY = "k" * 20
ACCEPTED = {"action": "accept", "content": {"size": "small"}}


def ordering(*more: Any) -> ScriptedDriver:
    return ScriptedDriver(calls(call("mcp_shop__act", "c1"), *more), says("Done."))


def runtime_with(driver: ScriptedDriver, **settings: Any) -> Any:
    return local_runtime(driver, allow_private_addresses=True, **settings)


def with_limits(runtime: LocalRuntime, **limits: Any) -> None:
    """Use other bounds from the next connection on."""
    runtime.host.environment._servers._connections = Connections(Limits(**limits))


async def begin(runtime: LocalRuntime, server: AskingServer, **fields: Any) -> Conversation:
    talk = await Conversation.begin(runtime, mcp_servers={"shop": {"url": server.url, **fields}})
    await talk.send("tea")
    return talk


async def asked(talk: Conversation, count: int = 1) -> list[dict[str, Any]]:
    """Wait until so many questions were asked; return the last ones."""

    def asks(events: Any) -> list[Any]:
        return [event for event in events if event.data.get("client_side")]

    async with talk.reading() as reader:
        await reader.until(lambda: len(asks(reader.events)) >= count)
    session = await talk.runtime.registry.sessions.get(talk.id)
    assert session.status == "waitingfortoolresults"
    return asks(await talk.log())[-1].data["tool_call"]["arguments"]["questions"]


async def answer(talk: Conversation, identity: str = "now.size", **fields: Any) -> Accepted:
    answers = [{"id": identity, "selected": ["small"]}]
    given = QuestionAnswers.model_validate({"answers": answers, **fields})
    return await talk.runtime.sessions.take(talk.id, given)


async def outcome(talk: Conversation) -> dict[str, Any]:
    await talk.ended()
    (result,) = await talk.data_of("tool.result")
    return result


async def test_the_user_answers_and_the_open_call_goes_on():
    async with AskingServer(FORM) as server, runtime_with(ordering()) as runtime:
        talk = await begin(runtime, server)
        (question,) = await asked(talk)
        assert question["question"].startswith("shop: Which tea?")
        session = await runtime.registry.sessions.get(talk.id)
        (wait,) = (await runtime.sessions.with_waits(session)).waiting_for or []
        assert (wait.type, wait.name) == ("question", "mcp_shop__act")
        assert wait.arguments == {"questions": [question]}
        assert (await answer(talk)).accepted == 1
        assert (await outcome(talk))["result"] == {"responses": [ACCEPTED]}
        kinds = [kind for kind in await talk.types() if kind.startswith("tool.")]
        assert (await answer(talk)).already_stored == 1
    assert kinds == ["tool.call", "tool.call", "tool.question_closed", "tool.result"]
    assert len(server.asked("tools/call")) == 1


async def test_a_call_can_ask_several_times():
    async with AskingServer(FORM, FORM) as server, runtime_with(ordering()) as runtime:
        talk = await begin(runtime, server)
        await asked(talk)
        await answer(talk)
        (question,) = await asked(talk, 2)
        assert question["id"] == "now.size#2"
        await answer(talk, "now.size#2")
        assert (await outcome(talk))["result"] == {"responses": [ACCEPTED, ACCEPTED]}


async def test_the_server_is_told_when_the_user_declines():
    async with AskingServer(FORM) as server, runtime_with(ordering()) as runtime:
        talk = await begin(runtime, server)
        await asked(talk)
        await answer(talk, status="declined", answers=[])
        assert (await outcome(talk))["result"] == {"responses": [{"action": "decline"}]}


async def test_the_time_of_a_call_stands_still_while_it_asks():
    driver = ordering()
    async with AskingServer(FORM) as server, runtime_with(driver, tool_timeout_s=8) as runtime:
        with_limits(runtime, connect_s=60, silence_s=8, call_s=8)
        talk = await begin(runtime, server)
        await asked(talk)
        started = asyncio.get_running_loop().time()
        await eventually(lambda: asyncio.get_running_loop().time() - started > 9, patience_s=60)
        await answer(talk)
        assert (await outcome(talk))["result"] == {"responses": [ACCEPTED]}


async def test_a_question_that_nobody_answers_in_time_is_closed_and_the_call_ends():
    async with AskingServer(FORM) as server, runtime_with(ordering()) as runtime:
        with_limits(runtime, connect_s=60, answer_s=1)
        talk = await begin(runtime, server)
        assert (await outcome(talk))["result"] == {"responses": [{"action": "cancel"}]}
        (closed,) = await talk.data_of("tool.question_closed")
        assert closed["unanswered"] == "timed_out"
        with pytest.raises(CallClosed, match="its time was over"):
            await answer(talk, tool_call_id="c1")


async def test_a_message_instead_of_an_answer_closes_the_question():
    driver = ScriptedDriver(calls(call("mcp_shop__act", "c1")), says("No tea."))
    async with AskingServer(FORM) as server, runtime_with(driver) as runtime:
        talk = await begin(runtime, server)
        await asked(talk)
        assert await talk.say("never mind") == "No tea."
        assert (await outcome(talk))["result"] == {"responses": [{"action": "cancel"}]}
        (closed,) = await talk.data_of("tool.question_closed")
    assert closed["unanswered"] == "superseded"


async def test_a_cancelled_turn_ends_the_call_and_its_question():
    async with AskingServer(FORM) as server, runtime_with(ordering()) as runtime:
        talk = await begin(runtime, server)
        await asked(talk)
        await runtime.sessions.cancel(talk.id)
        assert (await outcome(talk))["error"] == "Not finished: cancelled."
        with pytest.raises(CallClosed, match="its turn has ended"):
            await answer(talk, tool_call_id="c1")
        await eventually(lambda: server.asked("notifications/cancelled"))


@pytest.mark.parametrize("is_idempotent", [True, False])
async def test_a_lost_process_closes_its_question_and_the_call_ends_as_its_kind_demands(
    is_idempotent: bool,
):
    store, driver = MemoryStore(), ordering()
    tools = [tool("act", annotations={"idempotentHint": is_idempotent})]
    async with AskingServer(FORM, tools=tools) as server:
        async with runtime_with(driver, store=store) as runtime:
            talk = await begin(runtime, server)
            await asked(talk)
        async with runtime_with(driver, store=store) as later:
            talk.runtime = later
            if is_idempotent:
                # The server is called again and asks again.
                (question,) = await asked(talk, 2)
                await answer(talk, question["id"])
                assert (await outcome(talk))["result"] == {"responses": [ACCEPTED]}
            else:
                assert (await outcome(talk))["error"] == UNKNOWN_OUTCOME
                with pytest.raises(CallClosed, match="was lost"):
                    await answer(talk, tool_call_id="c1")
            closed = await talk.data_of("tool.question_closed")
    assert closed[0]["unanswered"] == "process_lost"


async def test_a_session_whose_call_asks_stays_here():
    async with AskingServer(FORM) as server, runtime_with(ordering()) as runtime:
        talk = await begin(runtime, server)
        await asked(talk)
        await runtime.host.hibernate(0)
        assert talk.id in runtime.host.held.loaded
        assert await runtime.host.hand_on() == 1
        await answer(talk)
        assert (await outcome(talk))["result"] == {"responses": [ACCEPTED]}


async def test_nobody_outside_can_give_the_result_of_a_call_that_asks():
    async with AskingServer(FORM) as server, runtime_with(ordering()) as runtime:
        talk = await begin(runtime, server)
        await asked(talk)
        forged = {"tool_results": [{"tool_call_id": "c1", "result": "gold"}]}
        with pytest.raises(UnknownCall):
            await runtime.sessions.take(talk.id, ToolResults.model_validate(forged))


async def test_two_sessions_on_one_connection_are_asked_each_for_its_own_call():
    driver = ScriptedDriver(*[calls(call("mcp_shop__act", "c1"))] * 2, *[says("Done.")] * 2)
    async with AskingServer(FORM) as server, runtime_with(driver) as runtime:
        first = await begin(runtime, server)
        await asked(first)
        second = await begin(runtime, server)
        await asked(second)
        assert len(server.asked("initialize")) == 1
        large = [{"id": "now.size", "selected": ["large"]}]
        await answer(second, answers=large)
        await answer(first)
        assert (await outcome(first))["result"] == {"responses": [ACCEPTED]}
        accepted = {"action": "accept", "content": {"size": "large"}}
        assert (await outcome(second))["result"] == {"responses": [accepted]}


async def test_an_answer_that_the_form_does_not_want_is_asked_for_again():
    number = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    async with (
        AskingServer({"message": "How many?", "requestedSchema": number}) as server,
        runtime_with(ordering()) as runtime,
    ):
        talk = await begin(runtime, server)
        await asked(talk)
        await answer(talk, answers=[{"id": "now.n", "other_text": "many"}])
        (question,) = await asked(talk, 2)
        assert "A whole number is needed." in question["question"]
        await answer(talk, answers=[{"id": "now.n#2", "other_text": "2"}])
        accepted = {"action": "accept", "content": {"n": 2}}
        assert (await outcome(talk))["result"] == {"responses": [accepted]}


async def test_a_form_that_cannot_be_read_is_not_asked():
    schema = {"type": "object", "properties": {"x": {"type": "string", "enum": ["", "a"]}}}
    async with (
        AskingServer({"message": "Which?", "requestedSchema": schema}) as server,
        runtime_with(ordering()) as runtime,
    ):
        talk = await begin(runtime, server)
        assert (await outcome(talk))["result"] == {"responses": [{"action": "cancel"}]}
        assert await talk.data_of("tool.question_closed") == []


async def test_a_question_that_repeats_a_secret_is_not_asked():
    schema = {"type": "object", "properties": {"x": {"type": "string", "enum": [KEY, "a"]}}}
    async with (
        AskingServer({"message": "Which?", "requestedSchema": schema}) as server,
        runtime_with(ordering()) as runtime,
    ):
        talk = await begin(runtime, server, headers={"X-Key": KEY})
        assert (await outcome(talk))["result"] == {"responses": [-32602]}
        assert KEY not in str([event.body for event in await talk.log()])


async def test_an_address_that_was_opened_needs_no_answer():
    page = {"mode": "url", "message": "Sign in.", "url": "https://x.test/in", "elicitationId": "e1"}

    async def act(exchange: Exchange) -> None:
        await exchange.stream()
        asking = asyncio.create_task(server.ask(exchange, page))
        await signed_in.wait()
        done = {"method": "notifications/elicitation/complete", "params": {"elicitationId": "e1"}}
        await exchange.event(done)
        result = {"content": [], "structuredContent": {"response": await asking}}
        await exchange.event({"id": exchange.message["id"], "result": result})
        exchange.close()

    signed_in = asyncio.Event()
    async with AskingServer() as server, runtime_with(ordering()) as runtime:
        server.behaviours["tools/call"] = act
        server.revision_of_sessions = "2025-11-25"
        talk = await begin(runtime, server)
        (question,) = await asked(talk)
        assert "https://x.test/in" in question["question"]
        signed_in.set()
        assert (await outcome(talk))["result"] == {"response": {"action": "accept"}}
        (closed,) = await talk.data_of("tool.question_closed")
    assert closed["unanswered"] == "not_needed"
