"""Structured answers in turns: the value, its corrections, and what becomes of neither."""

from typing import Any

import pytest
from pydantic import ValidationError

from everruns.domain.agents import AgentInput
from everruns.domain.messages import OutputPart, SendMessage
from everruns.domain.transcript import CORRECTION
from everruns.providers.base import ModelAnswer, TextDelta
from everruns.storage.memory.store import MemoryStore
from everruns.tools.function import tool
from tests.conversations import Conversation
from tests.scripts import USAGE, Gate, ScriptedDriver, call, calls, local_runtime, says, step

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["city"],
    "additionalProperties": False,
}
PARIS = '{"city": "Paris", "people": 2100000}'
WRONG = '{"town": "Paris"}'
NO_CITY = "Missing required property: city."


@tool()
async def look_up(city: str) -> str:
    """Look a city up."""
    return f"{city} has 2,100,000 people"


async def ask(talk: Conversation, schema: Any = CITY, **controls: Any) -> dict[str, Any]:
    """Ask for a value and return the data of the turn's last event."""
    await talk.send("Tell me.", controls={"output_schema": schema, **controls})
    return (await talk.ended()).data


async def outputs(talk: Conversation) -> list[OutputPart | None]:
    return [said.output for said in await talk.messages() if said.role == "agent"]


async def test_the_answer_streams_and_is_a_value_in_a_part_of_its_own():
    gate = Gate()
    driver = ScriptedDriver(says('{"city": ', gate, '"Paris"}'))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("Tell me.", controls={"output_schema": CITY})
        async with talk.reading() as reader:
            await reader.until(lambda: reader.text == '{"city": ')
            gate.open()
            ended = (await talk.ended()).data
        answer = (await talk.messages())[-1]
        assert answer.wire()["content"] == [
            {"type": "text", "text": '{"city": "Paris"}'},
            {"type": "output", "value": {"city": "Paris"}},
        ]
        assert ended["final_message_id"] == answer.id
        assert driver.requests[0].controls.output_schema == CITY


async def test_the_schema_of_the_message_counts_before_the_sessions_and_the_agents():
    driver = ScriptedDriver(says("1"), says('"x"'), says("true"))
    async with local_runtime(driver) as runtime:
        controls = {"output_schema": {"type": "boolean"}}
        agent = AgentInput.model_validate({"name": "a", "controls": controls})
        agent_id = (await runtime.registry.agents.create(agent))[0].id
        of_session = {"output_schema": {"type": "string"}}
        talk = await Conversation.begin(runtime, agent_id=agent_id, controls=of_session)
        await ask(talk, {"type": "integer"})
        await talk.say("Again.")
        other = await Conversation.begin(runtime, agent_id=agent_id)
        await other.say("Hi.")
        assert [part.value for part in await outputs(talk) if part] == [1, "x"]
        assert [part.value for part in await outputs(other) if part] == [True]


async def test_tools_come_first_and_the_last_answer_is_the_value():
    driver = ScriptedDriver(
        calls(call("look_up", city="Paris"), words=["Let me see."]), says(PARIS)
    )
    async with local_runtime(driver, look_up) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await ask(talk)
        assert [part and part.value for part in await outputs(talk)] == [
            None,
            {"city": "Paris", "people": 2_100_000},
        ]


async def test_a_model_is_told_what_is_wrong_and_corrects_it_without_tools():
    driver = ScriptedDriver(says(WRONG), says("Paris"), says(PARIS))
    async with local_runtime(driver, look_up) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        ended = await ask(talk)
        assert [len(request.tools) for request in driver.requests] == [1, 0, 0]
        assert driver.read(1)[-2:] == [
            f"agent: {WRONG}",
            f"user: {CORRECTION.format(error=NO_CITY)}",
        ]
        assert "not JSON" in driver.read(2)[-1]
        errors = [part and part.error for part in await outputs(talk)]
        assert errors[0] == NO_CITY
        assert errors[2] is None
        assert ended["iterations"] == 3
        assert ended["usage"]["output_tokens"] == 3 * USAGE.output_tokens


async def test_after_two_corrections_the_turn_fails_and_the_text_is_kept():
    driver = ScriptedDriver(says(WRONG), says(WRONG), says("I give up."), says(PARIS))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        ended = await ask(talk)
        assert ended["error"]["code"] == "OUTPUT_INVALID"
        assert "not JSON" in ended["error"]["message"]
        answer = (await talk.messages())[-1]
        assert answer.text == "I give up."
        assert not answer.metadata

        # The session stays usable, and is not asked for a correction any more.
        ended = await ask(talk)
        assert "final_message_id" in ended
        assert driver.read(3)[-2:] == ["agent: I give up.", "user: Tell me."]


async def test_a_correction_that_calls_tools_runs_none():
    driver = ScriptedDriver(says(WRONG), calls(call("look_up", city="Paris")), says(PARIS))
    async with local_runtime(driver, look_up) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await ask(talk)
        assert "tool.call" not in await talk.types()
        assert [part and part.error for part in await outputs(talk)][1:] == [
            "No tool can be called any more.",
            None,
        ]


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_an_answer_that_was_cut_off_is_corrected_too_and_not_for_ever(reason: str):
    cut = step(TextDelta("12"), ModelAnswer(usage=USAGE, finish_reason=reason))
    driver = ScriptedDriver(cut, cut, cut)
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        ended = await ask(talk, {"type": "integer"})
        assert ended["error"]["code"] == "OUTPUT_INVALID"
        assert {part and part.error for part in await outputs(talk)} == {
            f"It was cut off ({reason}); make it shorter."
        }


async def test_corrections_count_as_model_calls():
    driver = ScriptedDriver(says(WRONG))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime, max_iterations=1)
        assert (await ask(talk))["error"]["code"] == "MAX_ITERATIONS"


async def test_a_message_in_the_meantime_is_answered_instead_of_a_correction():
    gate = Gate()
    driver = ScriptedDriver(says(WRONG), says("{", gate), says(PARIS))
    async with local_runtime(driver, look_up) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("Tell me.", controls={"output_schema": CITY})
        await gate.reached.wait()
        await talk.send("With people.", controls={"output_schema": CITY})
        gate.open()
        ended = (await talk.ended()).data
        assert "final_message_id" in ended
        assert [len(request.tools) for request in driver.requests] == [1, 0, 1]
        assert driver.read(2)[-2:] == ["agent: {", "user: With people."]


async def test_a_correction_goes_on_in_another_process_where_it_stood():
    store = MemoryStore()
    gate = Gate()
    first = ScriptedDriver(says(WRONG), says(WRONG), says("{", gate))
    async with local_runtime(first, store=store) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("Tell me.", controls={"output_schema": CITY})
        await gate.reached.wait()
    second = ScriptedDriver(says("no"))
    async with local_runtime(second, store=store) as runtime:
        talk = Conversation(runtime, talk.session)
        ended = (await talk.ended()).data
        assert ended["error"]["code"] == "OUTPUT_INVALID"
        assert len(await outputs(talk)) == 3
        assert second.requests[0].is_correction


async def test_a_retry_begins_anew_with_the_same_schema():
    driver = ScriptedDriver(says(WRONG), says(WRONG), says(WRONG), says(WRONG), says(PARIS))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await ask(talk)
        await runtime.sessions.retry(talk.id, None, None)
        assert "final_message_id" in (await talk.ended()).data
        assert len(driver.read(3)) == 1


async def test_patterns_count_and_are_checked_apart():
    schema = {"type": "array", "items": {"type": "string", "pattern": "^[A-Z]{2}$"}}
    driver = ScriptedDriver(says('["Fr", "DE"]'), says('["FR", "DE"]'))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await ask(talk, schema)
        first, second = await outputs(talk)
        assert first
        assert "'[0]' is not valid: 'Fr' does not match" in (first.error or "")
        assert second == OutputPart(value=["FR", "DE"])


async def test_a_pattern_without_end_fails_its_turn_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("everruns.runtime.structured_answers.CHECK_TIMEOUT_S", 0.5)
    schema = {"type": "string", "pattern": "^(a|a)*$"}
    driver = ScriptedDriver(says('"' + "a" * 40 + '!"'))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        ended = await ask(talk, schema)
        assert ended["error"]["code"] == "OUTPUT_INVALID"
        assert "took longer than 0.5 seconds" in ended["error"]["message"]
        answer = (await talk.messages())[-1]
        assert answer.text.startswith('"aaa')
        assert not answer.metadata


async def test_a_value_that_nobody_has_time_to_check_fails_its_turn(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("everruns.tools.child_processes.MAX_WAITING", 0)
    monkeypatch.setattr("everruns.runtime.structured_answers.BUSY_PATIENCE_S", 0)
    async with local_runtime(ScriptedDriver(says('"abba"'))) as runtime:
        talk = await Conversation.begin(runtime)
        ended = await ask(talk, {"type": "string", "pattern": "^a"})
    assert ended["error"]["code"] == "TURN_FAILED"
    assert "Too many answers are being checked" in ended["error"]["message"]


async def test_a_value_in_a_wrapper_is_taken_out_of_it():
    said = step(TextDelta('{"value": [1]}'), ModelAnswer(usage=USAGE, is_output_wrapped=True))
    driver = ScriptedDriver(said)
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await ask(talk, {"type": "array", "items": {"type": "integer"}})
        assert await outputs(talk) == [OutputPart(value=[1])]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "objekt"}, "type: 'objekt' is not valid under any of the given schemas"),
        ({"$ref": "https://example.com/schema"}, "a $ref must name a part of the schema itself"),
        ({"$ref": "#/$defs/Gone"}, "it refers to '#/$defs/Gone'"),
        ({"description": "x" * 70_000}, "output_schema: must be at most 65536 bytes of JSON"),
        ({"properties": {"a": {"pattern": "("}}}, "'(' is not a 'regex'"),
    ],
)
def test_an_unusable_schema_is_refused_with_the_reason(schema: dict[str, Any], words: str):
    with pytest.raises(ValidationError) as refused:
        SendMessage.model_validate({"content": "Hi", "controls": {"output_schema": schema}})
    assert words in str(refused.value)
