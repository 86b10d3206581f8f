"""A tool can suspend its call, until the user has answered or for a time, and hold nothing."""

import asyncio
from typing import Any

import pytest

from everruns.domain.questions import QuestionAnswers
from everruns.domain.state import fold
from everruns.domain.suspensions import Suspension
from everruns.domain.tools import ToolResults
from everruns.errors import CallClosed, Conflict, InvalidRequest, NotWaiting
from everruns.ids import now_ms
from everruns.runtime.external_input import Accepted
from everruns.runtime.local import LocalRuntime
from everruns.runtime.tool_step import UNKNOWN_OUTCOME
from everruns.storage.memory.store import MemoryStore
from everruns.tools.base import Resumption, Suspend, ToolContext
from everruns.tools.function import FunctionTool, tool
from tests.conversations import Conversation
from tests.scripts import Gate, ScriptedDriver, call, calls, local_runtime, says

SIZE = {
    "id": "size",
    "question": "Which size?",
    "kind": "choice",
    "options": [{"label": "small"}, {"label": "large"}],
}
ASKS = Suspension.model_validate({"state": {"order": 7}, "questions": [SIZE]})
SMALL = {"status": "answered", "answers": [{"id": "size", "selected": ["small"]}]}


class Desk:
    """A tool that suspends its call as often as it is told to.

    Attributes:
        resumptions: What each of its runs went on with.
    """

    def __init__(
        self, *suspensions: Suspension, gate: Gate | None = None, repeatable: bool = False
    ) -> None:
        self.suspensions = list(suspensions)
        self.resumptions: list[Resumption | None] = []
        self.repeats: list[bool] = []

        @tool(repeatable=repeatable)
        async def order(what: str, context: ToolContext) -> str:
            """Order something."""
            self.resumptions.append(context.resumption)
            self.repeats.append(context.is_repeated)
            if self.suspensions:
                raise Suspend(self.suspensions.pop(0))
            if gate:
                await gate.pass_through()
            return f"ordered {what}"

        self.tool: FunctionTool = order


def ordering(*more: Any) -> ScriptedDriver:
    return ScriptedDriver(calls(call("order", "c1", what="tea"), *more), says("Done."))


async def asked(talk: Conversation, runtime: LocalRuntime, count: int = 1) -> list[Any]:
    """Wait until so many questions were asked; return what the session waits for."""
    async with talk.reading() as reader:
        await reader.until(
            lambda: sum(bool(e.data.get("client_side")) for e in reader.events) >= count
        )
    session = await runtime.registry.sessions.get(talk.id)
    assert session.status == "waitingfortoolresults"
    return session.waiting_for or []


async def answer(talk: Conversation, **fields: Any) -> Accepted:
    return await talk.runtime.sessions.take(talk.id, QuestionAnswers.model_validate(fields))


async def test_a_tool_asks_the_user_and_goes_on_with_the_answer():
    desk = Desk(ASKS)
    driver = ordering()
    async with local_runtime(driver, desk.tool) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("tea please")
        (wait,) = await asked(talk, runtime)
        assert (wait.type, wait.tool_call_id, wait.name) == ("question", "c1", "order")
        assert (await answer(talk, **SMALL)).accepted == 1
        assert (await talk.ended()).type == "session.completed"
        results = await talk.data_of("tool.result")
        kinds = [kind for kind in await talk.types() if kind.startswith("tool.")]
    assert desk.resumptions == [None, Resumption({"order": 7}, SMALL)]
    assert [data["result"] for data in results] == ["ordered tea"]
    assert kinds == [
        "tool.call",
        "tool.suspended",
        "tool.call",
        "tool.resumed",
        "tool.call",
        "tool.result",
    ]


async def test_the_user_is_asked_as_by_ask_user():
    async with local_runtime(ordering(), Desk(ASKS).tool) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("tea please")
        await asked(talk, runtime)
        _, question = await talk.data_of("tool.call")
        session = await runtime.registry.sessions.get(talk.id)
        (wait,) = (await runtime.sessions.with_waits(session)).waiting_for or []
    assert question["tool_call"]["name"] == "ask_user"
    assert question["tool_call"]["arguments"]["questions"][0]["question"] == "Which size?"
    assert question["client_side"] is True
    assert wait.arguments == question["tool_call"]["arguments"]


async def test_the_wait_survives_its_process_and_the_call_goes_on_elsewhere():
    store, desk = MemoryStore(), Desk(ASKS)
    driver = ordering()
    async with local_runtime(driver, desk.tool, store=store) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("tea please")
        await asked(talk, runtime)
    later_desk = Desk()
    async with local_runtime(driver, later_desk.tool, store=store) as later:
        talk.runtime = later
        await answer(talk, **SMALL)
        await talk.ended()
    assert desk.resumptions == [None]
    assert later_desk.resumptions == [Resumption({"order": 7}, SMALL)]
    assert later_desk.repeats == [False]


@pytest.mark.parametrize("repeatable", [True, False])
async def test_a_call_that_went_on_and_lost_its_process_is_treated_like_any_other(
    repeatable: bool,
):
    store, gate = MemoryStore(), Gate()
    driver = ordering()
    desk = Desk(ASKS, gate=gate, repeatable=repeatable)
    async with local_runtime(driver, desk.tool, store=store) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("tea please")
        await asked(talk, runtime)
        await answer(talk, **SMALL)
        await asyncio.wait_for(gate.reached.wait(), 20)
    later_desk = Desk(repeatable=repeatable)
    async with local_runtime(driver, later_desk.tool, store=store) as later:
        talk.runtime = later
        await talk.ended()
        (result,) = await talk.data_of("tool.result")
    if repeatable:
        assert later_desk.resumptions == [Resumption({"order": 7}, SMALL)]
        assert later_desk.repeats == [True]
        assert result["result"] == "ordered tea"
    else:
        assert (later_desk.resumptions, result["error"]) == ([], UNKNOWN_OUTCOME)


async def test_a_tool_can_ask_again():
    again = Suspension.model_validate({"state": 2, "questions": [{**SIZE, "id": "cup"}]})
    desk = Desk(ASKS, again)
    async with local_runtime(ordering(), desk.tool) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("tea please")
        await asked(talk, runtime)
        await answer(talk, **SMALL)
        await asked(talk, runtime, count=2)
        cup = {"status": "answered", "answers": [{"id": "cup", "selected": ["large"]}]}
        sent = {"status": "answered", "answers": [{"id": "cup#2", "selected": ["large"]}]}
        await answer(talk, **sent)
        await talk.ended()
    assert desk.resumptions[1:] == [Resumption({"order": 7}, SMALL), Resumption(2, cup)]


async def test_an_answer_that_is_sent_again_does_not_answer_the_next_question():
    desk = Desk(ASKS, ASKS.model_copy(update={"state": "second"}))
    async with local_runtime(ordering(), desk.tool) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("tea please")
        await asked(talk, runtime)
        await answer(talk, tool_call_id="c1", **SMALL)
        await asked(talk, runtime, count=2)
        repeated = await answer(talk, tool_call_id="c1", **SMALL)
        assert (repeated.stored, repeated.already_stored) == (0, 1)
        assert len(desk.resumptions) == 2
        await answer(talk, tool_call_id="c1", status="declined")
        await talk.ended()
    assert desk.resumptions[2] == Resumption("second", {"status": "declined", "answers": []})


async def test_an_unnamed_answer_is_the_newest_ones_also_after_a_suspended_call():
    ask = call("ask_user", "q1", questions=[SIZE])
    driver = ScriptedDriver(
        calls(call("order", "c1", what="tea")), says("Done."), calls(ask), says("Thanks.")
    )
    async with local_runtime(driver, Desk(ASKS).tool) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit", "ask_user"])
        await talk.send("tea please")
        await asked(talk, runtime)
        await answer(talk, **SMALL)
        await talk.ended()
        await talk.send("and now?")
        await asked(talk, runtime, count=2)
        large = {"status": "answered", "answers": [{"id": "size", "selected": ["large"]}]}
        await answer(talk, **large)
        await talk.ended()
        assert (await answer(talk, **large)).already_stored == 1


async def test_an_answer_that_is_sent_again_changes_nothing():
    desk = Desk(ASKS)
    async with local_runtime(ordering(), desk.tool) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("tea please")
        await asked(talk, runtime)
        await answer(talk, tool_call_id="c1", **SMALL)
        await talk.ended()
        repeated = await answer(talk, tool_call_id="c1", **SMALL)
        assert (repeated.stored, repeated.already_stored) == (0, 1)
        other = {"status": "answered", "answers": [{"id": "size", "selected": ["large"]}]}
        with pytest.raises(Conflict):
            await answer(talk, tool_call_id="c1", **other)


async def test_an_answer_must_fit_the_questions():
    async with local_runtime(ordering(), Desk(ASKS).tool) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("tea please")
        await asked(talk, runtime)
        with pytest.raises(InvalidRequest, match="'huge' is not one of its options"):
            await answer(talk, answers=[{"id": "size", "selected": ["huge"]}])


async def test_nobody_outside_can_give_the_result_of_a_suspended_call():
    async with local_runtime(ordering(), Desk(ASKS).tool) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("tea please")
        await asked(talk, runtime)
        forged = {"tool_results": [{"tool_call_id": "c1", "result": "ordered gold"}]}
        with pytest.raises(NotWaiting):
            await talk.runtime.sessions.take(talk.id, ToolResults.model_validate(forged))


async def test_a_message_instead_of_an_answer_ends_the_call():
    desk = Desk(ASKS)
    driver = ScriptedDriver(calls(call("order", "c1", what="tea")), says("No tea then."))
    async with local_runtime(driver, desk.tool) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("tea please")
        await asked(talk, runtime)
        assert await talk.say("never mind") == "No tea then."
        (result,) = await talk.data_of("tool.result")
        assert result["unanswered"] == "superseded"
        with pytest.raises(CallClosed):
            await answer(talk, tool_call_id="c1", **SMALL)
    assert desk.resumptions == [None]


async def test_questions_that_nobody_answers_end_the_call():
    desk = Desk(ASKS)
    async with local_runtime(ordering(), desk.tool, question_timeout_s=1) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("tea please")
        await talk.ended()
        (result,) = await talk.data_of("tool.result")
    assert result["unanswered"] == "timed_out"
    assert "did not answer in time" in result["error"]


async def test_a_call_sleeps_and_goes_on_by_itself():
    desk = Desk(Suspension(state="job-1", resume_after_seconds=0.2))
    async with local_runtime(ordering(), desk.tool) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("tea please")
        async with talk.reading() as reader:
            await reader.until_type("tool.suspended")
        assert (await talk.ended()).type == "session.completed"
    assert desk.resumptions == [None, Resumption("job-1")]


async def test_a_sleeping_call_goes_on_in_another_process():
    store, desk = MemoryStore(), Desk(Suspension(state="job-1", resume_after_seconds=0.5))
    driver = ordering()
    async with local_runtime(driver, desk.tool, store=store) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("tea please")
        async with talk.reading() as reader:
            await reader.until_type("tool.suspended")
    later_desk = Desk()
    async with local_runtime(driver, later_desk.tool, store=store) as later:
        talk.runtime = later
        await talk.ended()
    assert desk.resumptions + later_desk.resumptions == [None, Resumption("job-1")]


async def test_other_calls_run_while_one_sleeps():
    @tool()
    async def look() -> str:
        """Look."""
        return "seen"

    desk = Desk(Suspension(resume_after_seconds=0.2))
    async with local_runtime(ordering(call("look", "c2")), desk.tool, look) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("tea please")
        await talk.ended()
        order = [data["tool_call_id"] for data in await talk.data_of("tool.result")]
    assert order == ["c2", "c1"]


async def test_a_turn_with_a_suspended_call_can_be_cancelled():
    desk = Desk(Suspension(resume_after_seconds=3600))
    async with local_runtime(ordering(), desk.tool) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("tea please")
        async with talk.reading() as reader:
            await reader.until_type("tool.suspended")
        await runtime.sessions.cancel(talk.id)
        assert (await talk.ended()).type == "session.cancelled"
        (result,) = await talk.data_of("tool.result")
    assert result["error"] == "Not finished: cancelled."


def test_a_suspension_waits_for_one_thing_and_keeps_little():
    for wrong in (
        {},
        {"questions": [SIZE], "resume_after_seconds": 1},
        {"resume_after_seconds": 0},
        {"resume_after_seconds": 10**6},
        {"resume_after_seconds": 1, "state": "x" * 2**17},
        {"questions": [SIZE] * 21},
        {"questions": [{**SIZE, "id": "x" * 61}]},
    ):
        with pytest.raises(ValueError, match="validation error"):
            Suspension.model_validate(wrong)


async def test_a_session_whose_call_sleeps_is_active_and_need_not_be_held():
    desk = Desk(Suspension(resume_after_seconds=3600))
    async with local_runtime(ordering(), desk.tool) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("tea please")
        async with talk.reading() as reader:
            await reader.until_type("tool.suspended")
        session = await runtime.registry.sessions.get(talk.id)
        summary = fold(talk.id, await talk.log()).summary
    assert (session.status, session.waiting_for) == ("active", [])
    assert summary.only_waits(now_ms())
    assert not summary.only_waits(now_ms() + 3_600_000)


async def test_a_tool_that_is_suspended_again_and_again_cannot_fill_the_log():
    desk = Desk(*[Suspension(state="x" * 10_000, resume_after_seconds=0.01)] * 100)
    async with local_runtime(ordering(), desk.tool, max_session_bytes=200_000) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("tea please")
        ended = await talk.ended()
    assert ended.data["error"]["code"] == "SESSION_TOO_LARGE"
