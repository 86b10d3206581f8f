"""What people are shown of a model's next call is what the model then gets."""

from everruns.domain.model_context import ModelContext
from everruns.domain.prompts import joined_prompt
from everruns.domain.tools import ToolCall, ToolResults
from everruns.domain.usage import Usage
from everruns.providers.base import ModelAnswer, TextDelta
from everruns.tools.function import tool
from tests.conversations import Conversation, limited
from tests.many_tools import Warehouse, begin, many
from tests.scripts import ScriptedDriver, Step, call, calls, local_runtime, says, step

LONG = "word " * 200
REFUND = {"name": "refund", "description": "Pay back.", "parameters": {"type": "object"}}


@tool(repeatable=True)
async def look(place: str) -> str:
    """Look at a place."""
    return f"{place}: {LONG}"


def answer(text: str = "", *wanted: ToolCall) -> Step:
    """An answer whose provider reports no tokens, so that they are estimated."""
    deltas = [TextDelta(text)] if text else []
    return step(*deltas, ModelAnswer(tool_calls=wanted, usage=Usage()))


async def shown(talk: Conversation, offset: int | None = None, limit: int = 100) -> ModelContext:
    return await talk.runtime.sessions.context(talk.id, offset, limit)


def kinds(context: ModelContext) -> list[str]:
    return [said.kind for said in context.messages.data]


async def test_the_next_call_gets_what_was_shown_and_the_new_message():
    driver = ScriptedDriver(calls(call("look", place="attic")), says("Dust."), says("Yes."))
    async with local_runtime(driver, look) as runtime:
        fields = {"capabilities": ["kit", "test_math"], "system_prompt": "Be brief."}
        talk = await Conversation.begin(runtime, **fields)
        await talk.say("What is in the attic?")
        context = await shown(talk)
        await talk.say("Sure?")

    request = driver.requests[-1]
    assert [said.message for said in context.messages.data] == request.messages[:-1]
    assert [(t.name, t.description, t.parameters) for t in context.tools] == [
        (t.name, t.description, t.parameters) for t in request.tools
    ]
    assert "\n\n".join(part.text or "" for part in context.prompts) == request.system_prompt
    assert context.model == request.model.qualified_name


async def test_parts_and_tools_say_where_they_come_from():
    async with local_runtime(ScriptedDriver(), look) as runtime:
        fields = {"capabilities": ["kit", "test_math", "ask_user"], "tools": [REFUND]}
        talk = await Conversation.begin(runtime, system_prompt="Be brief.", **fields)
        context = await shown(talk)

    parts = [(part.source, part.capability_id) for part in context.prompts]
    assert parts[0] == ("session", None)
    assert set(parts[1:]) == {("capability", "test_math"), ("capability", "ask_user")}
    sources = {tool.name: (tool.source, tool.capability_id) for tool in context.tools}
    assert sources["look"] == ("capability", "kit")
    assert sources["add"] == ("capability", "test_math")
    assert sources["refund"] == ("session", None)


async def test_tokens_are_those_that_compaction_counts_with():
    driver = ScriptedDriver(answer("Hello."))
    async with local_runtime(driver, look) as runtime:
        model = await limited(runtime, 2_000)
        talk = await Conversation.begin(runtime, model_id=model, capabilities=["test_math"])
        await talk.say("Hi.")
        context = await shown(talk)

    tokens = context.tokens
    assert tokens.tools == sum(tool.tokens for tool in context.tools)
    assert tokens.messages == sum(said.tokens for said in context.messages.data)
    assert tokens.total == tokens.system_prompt + tokens.tools + tokens.messages
    assert tokens.request == tokens.total
    assert (tokens.limit, tokens.room) == (2_000, 1_600)


async def test_after_a_compaction_the_summary_stands_for_what_it_replaced():
    # The model is asked for a summary before the last answer.
    long = [answer(f"answer {number} {LONG}") for number in range(5)]
    driver = ScriptedDriver(*long, answer("They talked."), answer("Fine."))
    async with local_runtime(driver) as runtime:
        model = await limited(runtime, 1_500)
        talk = await Conversation.begin(runtime, model_id=model)
        for number in range(6):
            await talk.say(f"question {number}")
        context = await shown(talk)
        said = len(await talk.messages())

    assert kinds(context)[0] == "summary"
    assert set(kinds(context)[1:]) == {"message"}
    assert "They talked." in context.messages.data[0].message.text
    assert context.messages.total < said


async def test_results_that_were_masked_are_told_apart():
    steps = [answer("", call("look", f"call_{number}", place="attic")) for number in range(8)]
    driver = ScriptedDriver(*steps, answer("Nothing."))
    async with local_runtime(driver, look, max_repeated_calls=0) as runtime:
        model = await limited(runtime, 2_000)
        talk = await Conversation.begin(runtime, model_id=model, capabilities=["kit"])
        await talk.say("Look, and look again.")
        context = await shown(talk)

    masked = [said.message for said in context.messages.data if said.kind == "masked"]
    assert masked
    assert all(message.role == "tool_result" for message in masked)


async def test_a_call_that_waits_has_a_result_that_is_pending():
    driver = ScriptedDriver(calls(call("refund", "call_1")), says("Done."))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime, tools=[REFUND])
        await talk.send("Pay me back.")
        async with talk.reading() as reader:
            await reader.until_type("tool.call")
        waiting = await shown(talk)
        given = {"tool_results": [{"tool_call_id": "call_1", "result": "paid"}]}
        await runtime.sessions.take(talk.id, ToolResults.model_validate(given))
        await talk.ended()
        ended = await shown(talk)

    assert kinds(waiting) == ["message", "message", "pending"]
    assert kinds(ended) == ["message", "message", "message", "message"]


async def test_the_last_page_comes_first_and_totals_are_those_of_all():
    driver = ScriptedDriver(*(says(f"answer {number}") for number in range(5)))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        for number in range(5):
            await talk.say(f"question {number}")
        everything = await shown(talk)
        last, second = await shown(talk, limit=3), await shown(talk, offset=2, limit=2)

    page = last.messages
    assert (page.offset, page.total, len(page.data)) == (7, 10, 3)
    assert page.data == everything.messages.data[7:]
    assert second.messages.data == everything.messages.data[2:4]
    assert last.tokens == second.tokens == everything.tokens


async def test_tools_that_a_model_searches_for_are_shown_as_not_listed():
    driver = ScriptedDriver(says("Hello."))
    async with local_runtime(driver, preparation=Warehouse(many(300, parameters={}))) as runtime:
        talk = await begin(runtime)
        await talk.say("go")
        context = await shown(talk)

    listed = [tool for tool in context.tools if tool.listed]
    assert [(tool.name, tool.source) for tool in listed] == [
        ("search_tools", "server"),
        ("call_tool", "server"),
    ]
    assert len(context.tools) == 302
    assert context.tokens.tools == sum(tool.tokens for tool in listed)
    assert context.prepared_anew == ["kit"]


def test_a_prompt_without_parts_is_empty():
    assert joined_prompt([]) == ""
