"""A turn whose conversation has become too long for its model."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from everruns.domain.budgets import BudgetInput
from everruns.domain.events import EventType
from everruns.domain.idempotency import Idempotency
from everruns.domain.tools import ToolCall
from everruns.domain.usage import Usage
from everruns.providers.base import ModelAnswer, ModelChunk, ModelRequest, TextDelta, UsageSoFar
from everruns.runtime import turn
from everruns.runtime.compacting import stated_limit
from everruns.runtime.summary_request import INSTRUCTIONS
from everruns.storage.memory.store import MemoryStore
from everruns.tools.function import tool
from everruns.turn_failures import ContextTooLong, ProviderRejected, ProviderUnavailable
from tests.conversations import Conversation, limited
from tests.scripts import USAGE, Gate, ScriptedDriver, Step, call, local_runtime, step

CONTEXT = 2_000
LONG = "word " * 200
COMPACTED = ["context.compacting", "context.compacted"]


@tool(repeatable=True)
async def look(place: str) -> str:
    """Look at a place."""
    return f"{place}: {LONG}"


def answer(text: str = "", *wanted: ToolCall) -> Step:
    """An answer whose provider reports no tokens, so that they are estimated."""
    deltas = [TextDelta(text)] if text else []
    reason = "tool_calls" if wanted else "stop"
    return step(*deltas, ModelAnswer(tool_calls=wanted, usage=Usage(), finish_reason=reason))


def summary(text: str = "They talked.") -> Step:
    """A summary, if that is what the model is asked for."""

    async def run(request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        assert request.system_prompt == INSTRUCTIONS, "no summary was asked for"
        yield TextDelta(text)
        yield ModelAnswer(usage=USAGE)

    return run


@asynccontextmanager
async def talking(
    driver: ScriptedDriver, exchanges: int = 5, store: MemoryStore | None = None, **settings: Any
) -> AsyncIterator[Conversation]:
    """A conversation of some exchanges that just fit; the next one does not."""
    driver.steps[:0] = [answer(f"answer {number} {LONG}") for number in range(exchanges)]
    async with local_runtime(driver, look, store=store, **settings) as runtime:
        offered = await limited(runtime, CONTEXT)
        capabilities = ["kit", "stateless_todo_list"]
        talk = await Conversation.begin(runtime, model_id=offered, capabilities=capabilities)
        for number in range(exchanges):
            await talk.say(f"question {number}")
        yield talk


def said(driver: ScriptedDriver, call_number: int = -1) -> list[str]:
    return [message.text for message in driver.requests[call_number].messages]


async def test_the_model_gets_a_summary_and_the_newest_messages():
    driver = ScriptedDriver(summary(), answer("Fine."))
    async with talking(driver) as talk:
        assert await talk.say("And now?") == "Fine."
        assert [kind for kind in await talk.types() if kind.startswith("context")] == COMPACTED
        note, *_, last = said(driver)
        assert "They talked." in note
        assert last == "And now?"
        assert len(said(driver)) < 8


async def test_the_request_for_a_summary_has_no_tools_and_no_calls():
    driver = ScriptedDriver(
        answer("", call("look", place="attic")), summary(), answer("Fine."), answer()
    )
    async with talking(driver) as talk:
        await talk.say("Look.")
        request = driver.requests[-2]
        assert not request.tools
        assert [message.role for message in request.messages] == ["user"]
        assert {part.type for part in request.messages[0].content} == {"text"}
        assert "question 0" in request.messages[0].text


async def test_nobody_reads_the_summary_as_an_answer():
    driver = ScriptedDriver(summary("A secret thought."), answer("Fine."))
    async with talking(driver) as talk, talk.reading() as reader:
        await talk.send("And now?")
        await reader.until_type(EventType.CONTEXT_COMPACTED)
        await reader.until(lambda: reader.text == "Fine.")
        assert "A secret thought." not in reader.texts.values()
        assert all(message.text != "A secret thought." for message in await talk.messages())


async def test_the_log_keeps_all_messages():
    driver = ScriptedDriver(summary(), answer("Fine."))
    async with talking(driver) as talk:
        await talk.say("And now?")
        texts = await talk.texts()
        assert len(texts) == 12
        assert texts[0] == "user: question 0"


async def test_what_the_summary_costs_counts_in_turn_session_and_budget():
    driver = ScriptedDriver(summary(), answer("Fine."))
    async with talking(driver) as talk:
        budgets = talk.runtime.registry.budgets
        wanted = {"subject_type": "session", "subject_id": talk.id, "currency": "tokens"}
        budget = await budgets.create(BudgetInput.model_validate({**wanted, "limit": 1_000}))
        await talk.say("And now?")
        cost = USAGE.input_tokens + USAGE.output_tokens
        completed = (await talk.data_of("session.completed"))[-1]
        session = await talk.runtime.registry.sessions.get(talk.id)
        assert completed["usage"]["output_tokens"] == USAGE.output_tokens
        assert session.usage.output_tokens == USAGE.output_tokens
        assert (await budgets.get(budget.id)).balance == 1_000 - cost
        (done,) = await talk.data_of("context.compacted")
        assert done["usage"]["input_tokens"] == USAGE.input_tokens


async def test_a_refused_request_is_compacted_and_sent_again():
    refused = ContextTooLong("The prompt is too long.")
    driver = ScriptedDriver(step(refused), summary(), answer("Fine."))
    async with talking(driver, exchanges=3) as talk:
        assert await talk.say("And now?") == "Fine."
        (begun,) = await talk.data_of("context.compacting")
        assert begun["reason"] == "request_too_large"


OVERSHOT = (
    "This model's maximum context length is 16385 tokens. However, you requested 17000 tokens "
    "(13000 in the messages, 4000 in the completion)."
)


@pytest.mark.parametrize(
    ("reason", "limit"),
    [
        ("The prompt is too long.", None),
        ("Requests may have 200000 tokens.", 200_000),
        ("prompt is too long: 212,345 tokens > 200,000 maximum", 200_000),
        (OVERSHOT, 16_385),
    ],
)
def test_the_limit_that_a_refusal_states_is_found_among_its_numbers(reason: str, limit: int | None):
    assert stated_limit(reason) == limit


async def test_a_request_that_is_refused_again_fails_the_turn():
    refused = ContextTooLong("The prompt is too long.")
    driver = ScriptedDriver(step(refused), summary(), step(refused), answer("Fine."))
    async with talking(driver, exchanges=3) as talk:
        await talk.send("And now?")
        ended = await talk.ended()
        assert ended.data["error"]["code"] == ContextTooLong.code
        assert len(await talk.data_of("context.compacted")) == 1


@pytest.mark.parametrize(
    "useless",
    [
        step(ProviderRejected("No.")),
        step(TextDelta("Half a "), ProviderRejected("No.")),
        answer("  \n"),
    ],
)
async def test_without_a_summary_the_older_messages_are_left_out(useless: Step):
    driver = ScriptedDriver(useless, answer("Fine."))
    async with talking(driver) as talk:
        assert await talk.say("And now?") == "Fine."
        (done,) = await talk.data_of("context.compacted")
        assert done["strategy"] == "trim"
        assert "left out without a summary" in said(driver)[0]
        assert len(said(driver)) < 8


async def test_a_summary_that_is_longer_than_what_it_replaces_is_not_used():
    short = [answer(f"answer {number}") for number in range(3)]
    refused = step(ContextTooLong("The prompt is too long."))
    driver = ScriptedDriver(*short, refused, summary(LONG * 3), answer("Fine."))
    async with talking(driver, exchanges=0) as talk:
        for number in range(3):
            await talk.say(f"question {number}")
        assert await talk.say("And now?") == "Fine."
        (done,) = await talk.data_of("context.compacted")
        assert done["strategy"] == "trim"


async def test_a_provider_that_is_down_costs_the_conversation_nothing(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(turn, "FIRST_RETRY_S", 0)
    down = step(ProviderUnavailable("Down."))
    driver = ScriptedDriver(down, down, down, summary(), answer("Fine."))
    async with talking(driver) as talk:
        await talk.send("And now?")
        assert (await talk.ended()).data["error"]["code"] == ProviderUnavailable.code
        assert await talk.data_of("context.compacted") == []
        assert await talk.say("Better?") == "Fine."
        assert "They talked." in said(driver)[0]


async def test_a_turn_is_cancelled_while_a_summary_is_written():
    gate = Gate()
    usage = Usage(input_tokens=700, output_tokens=1)
    driver = ScriptedDriver(
        step(UsageSoFar(usage), TextDelta("They "), gate), summary(), answer("Fine.")
    )
    async with talking(driver) as talk:
        await talk.send("And now?")
        await gate.reached.wait()
        await talk.runtime.sessions.cancel(talk.id)
        ended = await talk.ended()
        assert ended.type == "session.cancelled"
        assert ended.data["unfinished"]["usage"]["input_tokens"] == 700
        assert "They " not in [message.text for message in await talk.messages()]
        assert await talk.say("Go on.") == "Fine."


async def test_a_message_that_comes_meanwhile_is_read_after_it():
    gate = Gate()
    driver = ScriptedDriver(step(gate, TextDelta("They talked."), ModelAnswer()), answer("Fine."))
    async with talking(driver) as talk:
        await talk.send("And now?")
        await gate.reached.wait()
        await talk.send("And then?")
        gate.open()
        await talk.ended()
        assert said(driver)[-2:] == ["And now?", "And then?"]


async def test_a_lost_process_leaves_one_compaction():
    store, gate = MemoryStore(), Gate()
    driver = ScriptedDriver(step(gate))
    async with talking(driver, store=store) as talk:
        await talk.send("And now?")
        await gate.reached.wait()
    after = ScriptedDriver(summary(), answer("Fine."))
    async with local_runtime(after, look, store=store) as runtime:
        talk = Conversation(runtime, talk.session)
        await talk.ended()
        assert [kind for kind in await talk.types() if kind.startswith("context")] == COMPACTED
        assert "They talked." in said(after)[0]
        assert after.steps == []


async def test_a_process_that_is_lost_after_it_does_not_compact_again():
    store, gate = MemoryStore(), Gate()
    driver = ScriptedDriver(summary(), step(gate))
    async with talking(driver, store=store) as talk:
        await talk.send("And now?")
        await gate.reached.wait()
    after = ScriptedDriver(answer("Fine."))
    async with local_runtime(after, look, store=store) as runtime:
        talk = Conversation(runtime, talk.session)
        await talk.ended()
        assert len(await talk.data_of("context.compacted")) == 1


async def test_a_second_summary_is_made_from_the_first_and_what_came_after():
    more = [answer(f"more {number} {LONG}") for number in range(4)]
    driver = ScriptedDriver(summary("First things."), *more, summary("All."), answer("Fine."))
    async with talking(driver) as talk:
        for number in range(5):
            await talk.say(f"more {number}")
        asked = next(
            request.messages[0].text
            for request in reversed(driver.requests)
            if request.system_prompt == INSTRUCTIONS
        )
        assert "First things." in asked
        assert "question 0" not in asked
        assert "more 1" in asked


async def test_the_task_list_and_decisions_are_restated():
    todos = [{"content": "Sweep", "activeForm": "Sweeping", "status": "in_progress"}]
    listed = answer("", call("write_todos", todos=todos))
    driver = ScriptedDriver(listed, answer(LONG), *[answer(LONG)] * 5, summary(), answer("Fine."))
    async with talking(driver, exchanges=0) as talk:
        for number in range(7):
            await talk.say(f"question {number}")
        assert "- in_progress: Sweep" in said(driver)[0]


async def test_the_model_can_search_once_something_was_replaced():
    wanted = call("search_history", query="QUESTION 2")
    driver = ScriptedDriver(summary(), answer("", wanted), answer("Fine."))
    async with talking(driver) as talk:
        assert "search_history" not in [one.name for one in driver.requests[-1].tools]
        await talk.say("And now?")
        assert "search_history" in [one.name for one in driver.requests[-1].tools]
        (result,) = await talk.data_of("tool.result")
        (found,) = result["result"]["found"]
        assert (found["role"], found["text"]) == ("user", "question 2")


async def test_a_replaced_message_is_read_piece_by_piece():
    pieces = [
        answer("", call("search_history", around_sequence=1)),
        answer("", call("search_history", around_sequence=3, offset=5)),
        answer("", call("search_history", around_sequence=999)),
        answer("", call("search_history")),
    ]
    driver = ScriptedDriver(summary(), *pieces, answer("Fine."))
    async with talking(driver) as talk:
        await talk.say("And now?")
        first, piece, unknown, nothing = await talk.data_of("tool.result")
        assert first["result"]["message"]["text"] == "question 0"
        assert first["result"]["after"][0]["text"].startswith("answer 0")
        assert piece["result"]["message"]["text"].startswith("r 0 word")
        assert "no message 999" in unknown["error"]
        assert "Give either" in nothing["error"]


async def test_old_results_are_masked_before_anything_is_summarised():
    looks = [answer("", call("look", place=f"room {number}")) for number in range(7)]
    driver = ScriptedDriver(*looks, answer("Fine."))
    async with talking(driver, exchanges=0, compaction_kept_results=1) as talk:
        assert await talk.say("Look around.") == "Fine."
        strategies = {done["strategy"] for done in await talk.data_of("context.compacted")}
        assert strategies == {"observation_masking"}
        shown = [
            part.result
            for said in driver.requests[-1].messages
            for part in said.content
            if part.type == "tool_result"
        ]
        assert "left out to save room" in shown[0]
        assert shown[-1].endswith(LONG)


async def test_calls_after_a_compaction_have_ids_that_no_replaced_call_can_have():
    again = call("look", call_id="call_1", place="attic")
    driver = ScriptedDriver(
        answer("", again), *[answer(LONG)] * 6, summary(), answer("", again), answer("Fine.")
    )
    async with talking(driver, exchanges=0) as talk:
        for number in range(7):
            await talk.say(f"question {number}")
        first, second = [called["tool_call"]["id"] for called in await talk.data_of("tool.call")]
        assert first == "call_1" != second


async def test_a_retried_turn_goes_on_with_the_summary_of_what_was_before_it():
    driver = ScriptedDriver(summary(), answer("Bad."), answer("Good."))
    async with talking(driver) as talk:
        assert await talk.say("And now?") == "Bad."
        await talk.runtime.sessions.retry(talk.id, None, Idempotency.of_call())
        await talk.ended()
        assert "They talked." in said(driver)[0]
        assert "Bad." not in said(driver)


async def test_a_share_of_0_compacts_nothing():
    refused = ContextTooLong("The prompt is too long.")
    driver = ScriptedDriver(answer("Fine."), step(refused))
    async with talking(driver, compaction_share=0) as talk:
        assert await talk.say("And now?") == "Fine."
        await talk.send("And then?")
        assert (await talk.ended()).data["error"]["code"] == ContextTooLong.code
        assert await talk.data_of("context.compacting") == []
