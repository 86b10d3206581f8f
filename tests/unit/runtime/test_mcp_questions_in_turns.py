"""What an MCP server asks in the middle of a call is asked of the user, who may take weeks."""

from typing import Any

import pytest

from everruns.storage.memory.store import MemoryStore
from tests.mcp_server import MODERN, Exchange, ScriptedServer
from tests.mcp_turns import (
    FORM,
    KEY,
    acts,
    answer,
    asked,
    asking,
    asking_shop,
    begin,
    has,
    reply,
    runtime_with,
)
from tests.scripts import ScriptedDriver, says

SMALL = reply("f.size", None, "small"), reply("f.count", "2"), reply("f.note", "-")
PAGE = {"mode": "url", "message": "Sign in.", "url": "https://shop.example.com/in"}
EMPTY_CHOICE: dict[str, Any] = {
    "method": "elicitation/create",
    "params": {
        "mode": "form",
        "message": "Which?",
        "requestedSchema": {
            "type": "object",
            "properties": {"x": {"type": "string", "enum": ["", "a"]}},
        },
    },
}
LONG = {"mode": "url", "message": "x" * 10**5, "url": "https://x.example.com", "elicitationId": "1"}


async def test_what_a_server_asks_becomes_questions_and_the_answers_go_back():
    async with asking_shop(ScriptedDriver(acts(), says("Done.")), FORM) as (_, talk):
        await talk.send("tea")
        questions = await asked(talk)
        assert [question["id"] for question in questions] == ["f.size", "f.count", "f.note"]
        assert questions[0]["question"].startswith("shop: Which tea?")
        assert [option["label"] for option in questions[0]["options"]] == ["small", "large"]
        await answer(talk, *SMALL)
        await talk.ended()
        (result,) = await talk.data_of("tool.result")
    responses = {"f": {"action": "accept", "content": {"size": "s", "count": 2}}}
    assert result["result"] == {"responses": responses, "state": "st-1"}


async def test_a_server_that_asks_nothing_is_called_again_with_its_state_after_a_moment():
    async def act(exchange: Exchange) -> None:
        if state := exchange.message["params"].get("requestState"):
            await exchange.text(f"back with {state}")
        else:
            await exchange.result(resultType="input_required", requestState="busy")

    driver = ScriptedDriver(acts(), says("Done."))
    async with ScriptedServer(act, revision=MODERN) as server, runtime_with(driver) as runtime:
        talk = await begin(runtime, server)
        assert await talk.say("tea") == "Done."
        (result,) = await talk.data_of("tool.result")
    assert result["result"] == "back with busy"
    assert "inputResponses" not in server.asked("tools/call")[1].message["params"]


async def test_answers_are_not_sent_to_another_server_that_took_the_name():
    driver = ScriptedDriver(acts(), says("Sorry."))
    async with (
        ScriptedServer(revision=MODERN) as other,
        asking_shop(driver, FORM) as (_, talk),
    ):
        await talk.send("tea")
        await asked(talk)
        await has(talk, shop={"url": other.url})
        await answer(talk, *SMALL)
        await talk.ended()
        (result,) = await talk.data_of("tool.result")
    assert "mcp_shop__act" in result["error"]
    assert other.asked("tools/call") == []


async def test_a_question_whose_state_repeats_a_secret_is_neither_asked_nor_stored():
    async def act(exchange: Exchange) -> None:
        await exchange.result(
            resultType="input_required", inputRequests=FORM, requestState=f"token={KEY}"
        )

    driver = ScriptedDriver(acts(), says("Sorry."))
    async with ScriptedServer(act, revision=MODERN) as server, runtime_with(driver) as runtime:
        talk = await begin(runtime, server, headers={"X-Key": KEY})
        assert await talk.say("tea") == "Sorry."
        assert KEY not in str([event.body for event in await talk.log()])
        (result,) = await talk.data_of("tool.result")
    assert "asks a question that repeats a secret" in result["error"]


async def test_an_answer_that_the_form_does_not_want_is_asked_for_again():
    async with asking_shop(ScriptedDriver(acts(), says("Done.")), FORM) as (server, talk):
        await talk.send("tea")
        await asked(talk)
        size, note = reply("f.size", None, "large"), reply("f.note", "hot")
        await answer(talk, size, reply("f.count", "many"), note)
        questions = await asked(talk, 2)
        assert "A whole number is needed." in questions[1]["question"]
        assert len(server.asked("tools/call")) == 1
        # Each round has ids of its own, so that no answer is taken for a later one's.
        again = reply("f.size#2", None, "large"), reply("f.note#2", "hot")
        await answer(talk, *again, reply("f.count#2", "3"))
        await talk.ended()
        (result,) = await talk.data_of("tool.result")
    content = {"size": "l", "count": 3, "note": "hot"}
    assert result["result"]["responses"]["f"]["content"] == content


async def test_the_server_is_told_when_the_user_declines():
    async with asking_shop(ScriptedDriver(acts(), says("Done.")), FORM) as (_, talk):
        await talk.send("tea")
        await asked(talk)
        await answer(talk, status="declined")
        await talk.ended()
        (result,) = await talk.data_of("tool.result")
    assert result["result"]["responses"] == {"f": {"action": "decline"}}


async def test_an_address_to_open_is_a_question_too():
    request = {"u": {"method": "elicitation/create", "params": PAGE}}
    async with asking_shop(ScriptedDriver(acts(), says("Done.")), request) as (_, talk):
        await talk.send("tea")
        (question,) = await asked(talk)
        assert "https://shop.example.com/in" in question["question"]
        await answer(talk, reply("u.", None, "Done"))
        await talk.ended()
        (result,) = await talk.data_of("tool.result")
    assert result["result"]["responses"] == {"u": {"action": "accept"}}


async def test_a_call_that_asks_goes_on_in_another_process():
    store = MemoryStore()
    driver = ScriptedDriver(acts(), says("Done."))
    async with ScriptedServer(asking(FORM), revision=MODERN) as server:
        async with runtime_with(driver, store=store) as runtime:
            talk = await begin(runtime, server)
            await talk.send("tea")
            await asked(talk)
        async with runtime_with(driver, store=store) as later:
            talk.runtime = later
            await answer(talk, *SMALL)
            await talk.ended()
            (result,) = await talk.data_of("tool.result")
    assert result["result"]["state"] == "st-1"
    assert len(server.asked("tools/call")) == 2


@pytest.mark.parametrize(
    ("requests", "error"),
    [
        (
            {"s": {"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}}},
            "asks for something that nobody here can give",
        ),
        ({"e": EMPTY_CHOICE}, "asks with a form that cannot be read"),
        ({"s": "nonsense"}, "is not what the protocol wants"),
        ({str(number): FORM["f"] for number in range(20)}, "asks for 60 values at once"),
        (
            {"f": {"method": "elicitation/create", "params": LONG}},
            "asks with more than can be kept",
        ),
    ],
    ids=["sampling", "empty choice", "nonsense", "too many", "long"],
)
async def test_a_server_that_asks_for_what_nobody_can_give_costs_its_call(
    requests: Any, error: str
):
    async with asking_shop(ScriptedDriver(acts(), says("Sorry.")), requests) as (_, talk):
        assert await talk.say("tea") == "Sorry."
        (result,) = await talk.data_of("tool.result")
    assert error in result["error"]


async def test_a_server_that_never_stops_asking_is_stopped():
    nothing = {"type": "object", "properties": {}}
    params = {"mode": "form", "message": "Sure?", "requestedSchema": nothing}
    yes = {"y": {"method": "elicitation/create", "params": params}}
    async with asking_shop(ScriptedDriver(acts(), says("Enough.")), *[yes] * 20) as (_, talk):
        await talk.send("tea")
        for count in range(1, 11):
            (question,) = await asked(talk, count)
            await answer(talk, reply(question["id"], None, "Yes"))
        await talk.ended()
        (result,) = await talk.data_of("tool.result")
    assert "has asked 10 times" in result["error"]
