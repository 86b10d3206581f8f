"""An agent asks its user: the turn waits, and goes on with the answers."""

from typing import Any

import pytest

from everruns.capabilities import ask_user as capability
from everruns.capabilities.ask_user import ask_user
from everruns.domain.questions import QuestionAnswers
from everruns.errors import CallClosed, Conflict, InvalidRequest
from everruns.runtime.local import LocalRuntime
from everruns.runtime.waiting import NO_ANSWER
from tests.conversations import Conversation
from tests.scripts import ScriptedDriver, call, calls, local_runtime, says

QUESTION: dict[str, Any] = {
    "id": "format",
    "question": "Which format?",
    "options": [{"label": "PDF", "recommended": True}, {"label": "HTML"}],
}


def answers(**fields: Any) -> QuestionAnswers:
    return QuestionAnswers.model_validate(fields)


async def asked(runtime: LocalRuntime, **config: Any) -> Conversation:
    capability = {"ref": "ask_user", "config": config}
    talk = await Conversation.begin(runtime, capabilities=[capability])
    await talk.send("write it")
    async with talk.reading() as reader:
        await reader.until_type("tool.call")
    return talk


async def test_the_user_is_asked_and_the_model_reads_the_answer():
    driver = ScriptedDriver(calls(call("ask_user", questions=[QUESTION])), says("HTML it is."))
    async with local_runtime(driver) as runtime:
        talk = await asked(runtime)
        (question,) = await talk.data_of("tool.call")
        assert (question["client_side"], question["timeout_ms"]) == (True, 86_400_000)
        with pytest.raises(InvalidRequest, match="not one of its options"):
            await runtime.sessions.take(
                talk.id, answers(answers=[{"id": "format", "selected": "DOC"}])
            )

        given = answers(answers=[{"id": "format", "selected": "HTML"}])
        replied = await runtime.sessions.take(talk.id, given)

        assert (replied.accepted, replied.status) == (1, "active")
        await talk.ended()
        (result,) = await talk.data_of("tool.result")
        assert result["result"]["answers"] == [{"id": "format", "selected": ["HTML"]}]
        before = await talk.log()
        again = await runtime.sessions.take(talk.id, given)
        assert (again.accepted, again.status) == (1, "idle")
        assert await talk.log() == before
        with pytest.raises(Conflict):
            await runtime.sessions.take(talk.id, answers(status="declined"))


async def test_several_sets_are_answered_by_their_calls():
    first, second = (call("ask_user", name, questions=[QUESTION]) for name in ("one", "two"))
    driver = ScriptedDriver(calls(first, second), says("Done."))
    async with local_runtime(driver) as runtime:
        talk = await asked(runtime)
        declined = await runtime.sessions.take(
            talk.id, answers(tool_call_id="two", status="declined")
        )
        assert declined.status == "waitingfortoolresults"
        await runtime.sessions.take(
            talk.id, answers(answers=[{"id": "format", "other_text": "Markdown"}])
        )
        await talk.ended()
        results = {
            data["tool_call_id"]: data["result"] for data in await talk.data_of("tool.result")
        }
        assert results["two"] == {"status": "declined", "answers": []}
        assert results["one"]["answers"][0]["other_text"] == "Markdown"


async def test_nobodys_answer_is_invented():
    driver = ScriptedDriver(calls(call("ask_user", questions=[QUESTION])), says("I will wait."))
    async with local_runtime(driver, question_timeout_s=0.05) as runtime:
        talk = await asked(runtime)
        await talk.ended()
        (result,) = await talk.data_of("tool.result")
        assert (result["error"], result["unanswered"]) == (NO_ANSWER, "timed_out")
        with pytest.raises(CallClosed, match="its time was over"):
            await runtime.sessions.take(
                talk.id, answers(answers=[{"id": "format", "selected": "PDF"}])
            )


async def test_silence_takes_what_the_agent_recommended_if_its_config_says_so():
    driver = ScriptedDriver(calls(call("ask_user", questions=[QUESTION])), says("PDF then."))
    async with local_runtime(driver, question_timeout_s=0.05) as runtime:
        talk = await asked(runtime, on_timeout="recommendation")
        await talk.ended()
        (result,) = await talk.data_of("tool.result")
        assert result["result"] == {
            "status": "timed_out",
            "answered_by": "recommendation",
            "answers": [{"id": "format", "selected": ["PDF"]}],
        }


async def test_answers_to_a_set_that_is_not_open_are_told_which_are():
    driver = ScriptedDriver(calls(call("ask_user", "one", questions=[QUESTION])), says("Done."))
    async with local_runtime(driver) as runtime:
        talk = await asked(runtime)
        with pytest.raises(InvalidRequest, match=r"call 'zzz' does not wait .*that do: 'one'"):
            await runtime.sessions.take(talk.id, answers(tool_call_id="zzz", status="declined"))
        await runtime.sessions.take(talk.id, answers(tool_call_id="one", status="declined"))
        await talk.ended()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "within 1 day return an error"),
        ({"timeout_seconds": 60, "on_timeout": "recommendation"}, "within 1 minute count as"),
        ({"timeout_seconds": 7200}, "within 2 hours return an error"),
        ({"timeout_seconds": 90}, "within 90 seconds return an error"),
        ({"timeout_seconds": "never"}, "wait as long as it takes"),
        ({"timeout_seconds": 60, "on_timeout": "keep_waiting"}, "wait as long as it takes"),
    ],
)
async def test_the_model_is_told_what_silence_means(config: dict[str, Any], words: str):
    driver = ScriptedDriver(says("Hello."))
    async with local_runtime(driver) as runtime:
        chosen = {"ref": "ask_user", "config": config}
        talk = await Conversation.begin(runtime, capabilities=[chosen])
        await talk.say("hi")
        assert words in driver.requests[0].system_prompt


async def test_questions_that_make_no_sense_go_back_to_the_model():
    alone = {**QUESTION, "options": QUESTION["options"][:1]}
    driver = ScriptedDriver(
        calls(call("ask_user", "first", questions=[alone])),
        calls(call("ask_user", "second", questions=[])),
        says("I give up."),
    )
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["ask_user"])
        assert await talk.say("write it") == "I give up."
        one, none = await talk.data_of("tool.result")
        assert "needs 2 to 6 options" in one["error"]
        assert not none["success"]


def test_the_capability_is_there():
    assert capability.ASK_USER.tools == [ask_user]
