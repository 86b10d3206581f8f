"""A turn whose process was lost goes on where its log stands."""

import pytest

from everruns.domain.events import Event, EventType
from everruns.domain.sessions import Session
from everruns.domain.state import fold
from everruns.providers.base import ModelAnswer
from everruns.runtime.tool_step import UNKNOWN_OUTCOME
from everruns.storage.logs import FIRST_HOLDER, Append
from everruns.storage.memory.store import MemoryStore
from everruns.tools.function import tool
from tests.conversations import Conversation, simulated
from tests.logs import LogWriter
from tests.scripts import (
    USAGE,
    Gate,
    ScriptedDriver,
    call,
    calls,
    local_runtime,
    says,
    step,
)


class Tools:
    """Two tools that note when they run."""

    def __init__(self) -> None:
        self.ran: list[str] = []

        @tool(repeatable=True)
        async def look(what: str) -> str:
            """Look."""
            self.ran.append(f"look {what}")
            return what

        @tool()
        async def pay(amount: int) -> str:
            """Pay."""
            self.ran.append(f"pay {amount}")
            return "paid"

        self.tools = (look, pay)


def answers():
    return [
        calls(call("look", "c1", what="a"), call("pay", "c2", amount=1), words=["First."]),
        calls(call("pay", "c3", amount=2), call("nothing", "c4")),
        says("All ", "done."),
    ]


async def whole_turn() -> tuple[Session, list[Event]]:
    tools = Tools()
    async with local_runtime(ScriptedDriver(*answers()), *tools.tools) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("go", key="k")
        await talk.ended()
        return talk.session, await talk.log()


def store_after_a_crash(session: Session, events: list[Event]) -> MemoryStore:
    """A store as a process that died after these events left it."""
    store = MemoryStore()
    store.sessions.insert(session)
    summary = fold(session.id, events).summary
    assert store.logs.append([Append(session.id, 1, events, summary, FIRST_HOLDER)]) == [None]
    return store


LENGTH = 14


async def test_the_turn_that_is_interrupted_below_has_this_many_events():
    _, log = await whole_turn()
    assert len(log) == LENGTH


@pytest.mark.parametrize("stored", range(2, LENGTH - 1))
async def test_a_turn_goes_on_from_every_point_of_its_log(stored: int):
    session, log = await whole_turn()
    before = log[:stored]
    answered = sum(
        event.type == EventType.MESSAGE_CREATED and event.data["message"]["role"] == "agent"
        for event in before
    )
    begun = {e.data["tool_call"]["id"] for e in before if e.type == EventType.TOOL_CALL}
    begun -= {e.data["tool_call_id"] for e in before if e.type == EventType.TOOL_RESULT}
    had_result = {e.data["tool_call_id"] for e in before if e.type == EventType.TOOL_RESULT}

    tools, driver = Tools(), ScriptedDriver(*answers()[answered:])
    store = store_after_a_crash(session, before)
    async with local_runtime(driver, *tools.tools, store=store) as runtime:
        talk = Conversation(runtime, session)
        assert (await talk.ended()).type == EventType.SESSION_COMPLETED
        after = await talk.log()
        results = await talk.data_of("tool.result")
        assert await talk.send("go", key="k") == (await talk.messages())[0]

    assert after[:stored] == before, "what was stored is never changed"
    assert len(driver.requests) == 3 - answered, "a stored answer is not asked for again"
    by_call = {result["tool_call_id"]: result for result in results}
    assert len(results) == len(by_call) == 4, "one result a call"
    for call_id, paid in (("c2", "pay 1"), ("c3", "pay 2")):
        if call_id in begun:
            assert by_call[call_id]["error"] == UNKNOWN_OUTCOME
            assert paid not in tools.ran, "what may have had its effect is not run again"
        else:
            assert by_call[call_id]["result"] == "paid"
            assert (paid in tools.ran) == (call_id not in had_result)
    assert by_call["c1"]["result"] == "a"
    assert tools.ran.count("look a") == ("c1" not in had_result)


async def test_a_turn_that_was_lost_twice_still_ends_once():
    session, log = await whole_turn()
    store = store_after_a_crash(session, log[:2])
    tools = Tools()
    async with (
        local_runtime(ScriptedDriver(*answers()[:1]), *tools.tools, store=store) as runtime,
        Conversation(runtime, session).reading() as reader,
    ):
        await reader.until_type("tool.call")
    driver = ScriptedDriver(*answers()[1:])
    async with local_runtime(driver, *tools.tools, store=store) as runtime:
        talk = Conversation(runtime, session)
        await talk.ended()
        assert (await talk.types()).count("session.completed") == 1


async def test_a_resumed_turn_takes_messages_and_can_be_cancelled():
    session, log = await whole_turn()
    gate = Gate()
    store = store_after_a_crash(session, log[:2])
    async with local_runtime(ScriptedDriver(says("so far", gate)), store=store) as runtime:
        talk = Conversation(runtime, session)
        await gate.reached.wait()
        assert await runtime.sessions.cancel(session.id)
        assert (await talk.texts())[-1] == "agent: so far"


async def test_one_session_that_cannot_be_loaded_does_not_stop_the_others():
    session, log = await whole_turn()
    store = store_after_a_crash(session, log[:2])
    old = {"id": "session_" + "0" * 32, "created_at": "2000-01-01T00:00:00.000Z"}
    broken = session.model_copy(update=old)
    store.sessions.insert(broken)
    bad = [Event(broken.id, 1, "event_x", "message.created", None, 1, b"not json")]
    store.contents.sessions[broken.id].events = bad
    tools = Tools()
    async with local_runtime(ScriptedDriver(*answers()), *tools.tools, store=store) as runtime:
        assert (await Conversation(runtime, session).ended()).type == "session.completed"


async def test_a_turn_that_moves_to_a_host_finds_what_was_configured_meanwhile():
    async with local_runtime() as runtime:
        await (await Conversation.begin(runtime)).say("The host has read its configuration.")
        model = await simulated(runtime, reply="From the new provider.")
        talk = await Conversation.begin(runtime, model_id=model)
        log = LogWriter(talk.id)
        log.user("begun on another host")
        assert (await runtime.registry.logs.append([log.as_append()])).verdicts == [None]
        await runtime.host.activate(talk.id)
        assert (await talk.ended()).type == EventType.SESSION_COMPLETED
        assert (await talk.messages())[-1].text == "From the new provider."


async def test_calls_that_must_not_run_are_still_refused_after_a_crash():
    broken = ModelAnswer(
        tool_calls=[call("pay", "c1")], refused_calls={"c1": "No JSON: {nonsense"}, usage=USAGE
    )
    async with local_runtime(ScriptedDriver(step(broken), says("Oh."))) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("go")
        await talk.ended()
        log = await talk.log()
    asked = next(n for n, event in enumerate(log) if event.type == EventType.TOOL_CALL)
    tools, store = Tools(), store_after_a_crash(talk.session, log[:asked])

    async with local_runtime(ScriptedDriver(says("Oh.")), *tools.tools, store=store) as runtime:
        resumed = Conversation(runtime, talk.session)
        await resumed.ended()
        (result,) = await resumed.data_of("tool.result")

    assert result["error"] == "No JSON: {nonsense"
    assert tools.ran == []


async def test_of_calls_that_run_one_after_another_only_the_begun_one_is_uncertain():
    tools = Tools()
    answer = calls(call("pay", "c1", amount=1), call("pay", "c2", amount=2))
    driver = ScriptedDriver(answer, says("Done."))
    async with local_runtime(driver, *tools.tools) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"], parallel_tool_calls=False)
        await talk.send("go")
        await talk.ended()
        log = await talk.log()
    begun = next(n for n, event in enumerate(log) if event.type == EventType.TOOL_CALL)
    again, store = Tools(), store_after_a_crash(talk.session, log[: begun + 1])

    async with local_runtime(ScriptedDriver(says("Done.")), *again.tools, store=store) as runtime:
        resumed = Conversation(runtime, talk.session)
        await resumed.ended()
        first, second = await resumed.data_of("tool.result")

    assert first["error"] == UNKNOWN_OUTCOME
    assert second["result"] == "paid"
    assert again.ran == ["pay 2"]
