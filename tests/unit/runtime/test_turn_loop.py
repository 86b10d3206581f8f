"""The agent loop from the first message to the end of the turn."""

import asyncio
from typing import Any

import pytest

from everruns.domain.agents import AgentInput, AgentPatch
from everruns.domain.events import EventType
from everruns.domain.llm import ProviderInput
from everruns.domain.parts import TextPart, ToolOutput
from everruns.domain.usage import Usage
from everruns.errors import SessionNotFound
from everruns.ids import new_id
from everruns.providers.base import ModelAnswer, TextDelta
from everruns.runtime import tool_step
from everruns.tools.base import ToolError
from everruns.tools.function import tool
from everruns.tools.results import MAX_RESULT_BYTES
from tests.conversations import Conversation, simulated
from tests.odd_images import IMAGES
from tests.scripts import Gate, ScriptedDriver, call, calls, local_runtime, says, step


@tool()
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool()
async def refuse() -> None:
    """Refuse."""
    raise ToolError("I refuse.")


@tool()
async def crash() -> None:
    """Crash."""
    raise RuntimeError("secret detail")


@tool(timeout_s=0.05)
async def hang() -> None:
    """Hang."""
    await asyncio.Event().wait()


@tool()
async def flood() -> str:
    """Say too much."""
    return "x" * (3 * MAX_RESULT_BYTES)


TOOLS = (add, refuse, crash, hang, flood)
CALLED = ["message.created", "session.started", "message.created", "tool.call", "tool.result"]


async def test_a_question_is_answered():
    driver = ScriptedDriver(says("Hello ", "there."))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        assert await talk.say("hi") == "Hello there."
        assert await talk.types() == [
            "message.created",
            "session.started",
            "message.created",
            "session.completed",
        ]
        (completed,) = await talk.data_of("session.completed")
        answer = (await talk.messages())[-1]
        assert completed["final_message_id"] == answer.id
        assert completed["iterations"] == 1
        assert completed["usage"]["output_tokens"] == 5
        assert (await runtime.registry.sessions.get(talk.id)).usage.output_tokens == 5


async def test_all_events_of_a_turn_name_it_and_its_first_message():
    driver = ScriptedDriver(calls(call("add", a=1, b=2)), says("3"))
    async with local_runtime(driver, *TOOLS) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        sent = await talk.send("add")
        await talk.ended()
        log = await talk.log()
        assert {event.context["input_message_id"] for event in log} == {sent.id}
        assert len({event.turn_id for event in log}) == 1
        assert [event.sequence for event in log] == list(range(1, len(log) + 1))
        assert sorted(event.id for event in log) == [event.id for event in log]


async def test_tools_are_called_and_their_results_are_read_by_the_model():
    driver = ScriptedDriver(calls(call("add", a=1, b=2), words=["Let me see."]), says("It is 3."))
    async with local_runtime(driver, *TOOLS) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"], system_prompt="Be good.")
        assert await talk.say("What is 1 + 2?") == "It is 3."
        assert await talk.types() == [*CALLED, "message.created", "session.completed"]
        (asked,) = await talk.data_of("tool.call")
        assert asked["tool_call"] == {
            "id": "call_add",
            "name": "add",
            "arguments": {"a": 1, "b": 2},
        }
        (result,) = await talk.data_of("tool.result")
        assert (result["success"], result["result"], result["name"]) == (True, 3, "add")
        assert [part.result for part in driver.requests[1].messages[-1].content] == [3]
        assert driver.requests[0].system_prompt == "Be good."
        assert [known.name for known in driver.requests[0].tools] == [
            one.definition.name for one in TOOLS
        ]


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        (call("refuse"), "I refuse."),
        (call("crash"), "RuntimeError"),
        (call("hang"), "did not answer within 0.05 seconds"),
        (call("nothing"), "Unknown tool: nothing"),
        (call("add", a=1), "b"),
        (call("add", a=1, b="two"), "b"),
        (call("add", a=1, b=2, c=3), "c"),
    ],
)
async def test_whatever_goes_wrong_in_a_tool_is_a_result_for_the_model(wanted, error: str):
    driver = ScriptedDriver(calls(wanted), says("I see."))
    async with local_runtime(driver, *TOOLS) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        assert await talk.say("go") == "I see."
        (result,) = await talk.data_of("tool.result")
        assert not result["success"]
        assert error in result["error"]
        assert "secret" not in result["error"]
        (part,) = driver.requests[1].messages[-1].content
        assert part.error == result["error"]


async def test_arguments_that_are_no_json_object_are_a_result_for_the_model():
    answer = ModelAnswer(tool_calls=[call("add")], refused_calls={"call_add": "No JSON: {broken"})
    driver = ScriptedDriver(step(answer), says("I see."))
    async with local_runtime(driver, *TOOLS) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.say("go")
        (result,) = await talk.data_of("tool.result")
        assert "{broken" in result["error"]


async def test_a_result_that_is_too_large_is_cut_with_a_note():
    driver = ScriptedDriver(calls(call("flood")), says("Much."))
    async with local_runtime(driver, *TOOLS) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.say("go")
        (result,) = await talk.data_of("tool.result")
        assert len(result["result"]) <= MAX_RESULT_BYTES
        assert "Cut" in result["result"]


async def test_a_tool_returns_an_image_and_the_model_is_shown_it():
    parts = [TextPart(text="A chart:"), IMAGES["a PNG"]]

    @tool()
    async def draw() -> ToolOutput:
        """Draw a chart."""
        return ToolOutput(parts=parts)

    driver = ScriptedDriver(calls(call("draw")), says("Rising."))
    async with local_runtime(driver, draw) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.say("draw")

        (stored,) = await talk.data_of("tool.result")
        assert stored["success"]
        assert stored["parts"] == [part.wire() for part in parts]
        assert "result" not in stored
        (read,) = driver.requests[1].messages[-1].content
        assert read.parts == parts
        assert (await talk.messages())[2].content == [read]


class Crowd:
    """A tool whose calls tell how many of them run at once."""

    def __init__(self, expected: int) -> None:
        self.running = self.most = 0
        self.expected = expected
        self.gathered = asyncio.Event()

        @tool()
        async def join(who: str) -> str:
            """Join the crowd."""
            self.running += 1
            self.most = max(self.most, self.running)
            if self.running == self.expected:
                self.gathered.set()
            if self.expected > 1:
                await self.gathered.wait()
            await asyncio.sleep(0)
            self.running -= 1
            return who

        self.tool = join


NAMES = ["a", "b", "c"]


def three() -> list:
    return [call("join", f"call_{name}", who=name) for name in NAMES]


async def test_the_tools_of_one_step_run_at_once_and_are_read_in_call_order():
    crowd = Crowd(expected=3)
    driver = ScriptedDriver(calls(*three()), says("All."))
    async with local_runtime(driver, crowd.tool) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        assert await talk.say("go") == "All."
        assert crowd.most == 3
        results = driver.requests[1].messages[-3:]
        assert [part.result for said in results for part in said.content] == NAMES


@pytest.mark.parametrize("owner", ["session", "agent"])
async def test_without_parallel_tool_calls_they_run_one_after_another(owner: str):
    crowd = Crowd(expected=1)
    driver = ScriptedDriver(calls(*three()), says("All."))
    async with local_runtime(driver, crowd.tool) as runtime:
        fields = {"capabilities": ["kit"], "parallel_tool_calls": False}
        if owner == "agent":
            agent, _ = await runtime.registry.agents.create(
                AgentInput.model_validate({"name": "a", **fields})
            )
            fields = {"agent_id": agent.id}
        talk = await Conversation.begin(runtime, **fields)
        assert await talk.say("go") == "All."
        assert crowd.most == 1
        assert [item["result"] for item in await talk.data_of("tool.result")] == NAMES
        assert driver.requests[0].parallel_tool_calls is False


async def test_a_turn_that_never_ends_is_ended_and_the_session_goes_on():
    again = [calls(call("add", f"call_{number}", a=1, b=1)) for number in range(3)]
    driver = ScriptedDriver(*again, says("Fine."))
    async with local_runtime(driver, *TOOLS) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"], max_iterations=3)
        await talk.send("go")
        end = await talk.ended()
        assert end.type == EventType.SESSION_FAILED
        assert end.data["error"]["code"] == "MAX_ITERATIONS"
        assert len(driver.requests) == 3
        assert (await runtime.registry.sessions.get(talk.id)).status == "idle"
        assert await talk.say("and now?") == "Fine."


async def test_without_a_model_the_turn_fails_and_says_what_to_do():
    async with local_runtime() as runtime:
        for provider in await runtime.registry.providers.list():
            await runtime.registry.providers.delete(provider.id)
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        error = (await talk.ended()).data["error"]
        assert error["code"] == "NO_MODEL"
        assert "POST /v1/llm-providers" in error["message"]
        await simulated(runtime, reply="Here I am.")
        assert await talk.say("and now?") == "Here I am."


async def test_a_provider_that_cannot_be_used_fails_the_turn_instead_of_blocking_it():
    async with local_runtime() as runtime:
        provider = await runtime.registry.providers.add(
            ProviderInput.model_validate(
                {
                    "name": "azure",
                    "provider_type": "azure_openai",
                    "models": [{"model_id": "gpt"}],
                    "base_url": "https://resource.example/openai/v1",
                }
            )
        )
        # As a version stored it that did not ask for the address.
        account, *_ = await runtime.registry.providers.accounts()
        nowhere = provider.model_copy(update={"base_url": None})
        await runtime.registry.providers._put(account.model_copy(update={"provider": nowhere}), ())
        talk = await Conversation.begin(runtime, model_id=provider.models[0].id)
        await talk.send("hi")
        end = await talk.ended()
        assert end.type == EventType.SESSION_FAILED
        assert "base_url" in end.data["error"]["message"]


async def test_a_fault_nobody_foresaw_ends_the_turn_without_details():
    driver = ScriptedDriver(says("so far ", RuntimeError("secret detail")), says("Fine."))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        error = (await talk.ended()).data["error"]
        assert error["code"] == "TURN_FAILED"
        assert "secret" not in str(error)
        assert await talk.say("again") == "Fine."


async def test_a_changed_agent_counts_from_the_next_turn_on():
    driver = ScriptedDriver(says("1"), says("2"))
    async with local_runtime(driver) as runtime:
        agent, _ = await runtime.registry.agents.create(
            AgentInput(name="a", system_prompt="old words")
        )
        talk = await Conversation.begin(runtime, agent_id=agent.id)
        await talk.say("one")
        await runtime.registry.agents.update(agent.id, AgentPatch(system_prompt="new words"))
        await talk.say("two")
        assert [asked.system_prompt for asked in driver.requests] == ["old words", "new words"]


async def test_the_message_then_the_session_then_the_agent_names_the_model():
    async with local_runtime() as runtime:
        model = {
            name: await simulated(runtime, reply=name) for name in ("message", "session", "agent")
        }
        agent, _ = await runtime.registry.agents.create(
            AgentInput(name="a", default_model_id=model["agent"])
        )
        for_agent = await Conversation.begin(runtime, agent_id=agent.id)
        talk = await Conversation.begin(runtime, agent_id=agent.id, model_id=model["session"])
        assert await for_agent.say("hi") == "agent"
        assert await talk.say("hi") == "session"
        await talk.send("hi", controls={"model_id": model["message"]})
        await talk.ended()
        assert (await talk.messages())[-1].text == "message"


async def test_call_ids_that_a_model_repeats_are_made_distinct():
    driver = ScriptedDriver(
        calls(call("add", "same", a=1, b=1)), calls(call("add", "same", a=2, b=2)), says("ok")
    )
    async with local_runtime(driver, *TOOLS) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.say("go")
        results = await talk.data_of("tool.result")
        assert len({item["tool_call_id"] for item in results}) == 2
        assert [item["result"] for item in results] == [2, 4]


async def test_usage_and_reasoning_are_kept_with_the_answer():
    usage = Usage(input_tokens=7, output_tokens=3, cache_read_tokens=2)
    driver = ScriptedDriver(says("Four.", reasoning=["two ", "and two"]), says("x"))
    driver.steps[1] = step(TextDelta("Five."), ModelAnswer(usage=usage, finish_reason="length"))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("2+2?")
        assert (await talk.messages())[-1].thinking == "two and two"
        await talk.say("2+3?")
        said = (await talk.data_of("message.created"))[-1]
        assert said["usage"] == {**usage.wire(), "estimated_cost_usd": 0.0}
        assert said["finish_reason"] == "length"


async def test_sessions_run_their_turns_independently():
    gate = Gate()
    driver = ScriptedDriver(says(gate, "slow"), says("fast"))
    async with local_runtime(driver) as runtime:
        slow, fast = await Conversation.begin(runtime), await Conversation.begin(runtime)
        await slow.send("hi")
        await gate.reached.wait()
        assert await fast.say("hi") == "fast"
        gate.open()
        await slow.ended()


async def test_a_session_that_does_not_exist_is_told():
    async with local_runtime() as runtime:
        talk = await Conversation.begin(runtime)
        talk.id = new_id("session")
        with pytest.raises(SessionNotFound):
            await talk.send("hi")
        with pytest.raises(SessionNotFound):
            await runtime.sessions.cancel(talk.id)
        with pytest.raises(SessionNotFound):
            await runtime.sessions.delete(talk.id)
        with pytest.raises(SessionNotFound):
            await runtime.sessions.stream(talk.id, None)


async def test_an_answer_may_be_longer_than_what_users_may_send():
    text = "x" * 3_000_000
    async with local_runtime(ScriptedDriver(says(text))) as runtime:
        talk = await Conversation.begin(runtime)
        assert await talk.say("at length") == text


async def test_an_answer_without_end_is_broken_off_and_what_came_is_kept(monkeypatch):
    monkeypatch.setattr("everruns.runtime.turn.MAX_ANSWER_CHARACTERS", 10)
    async with local_runtime(ScriptedDriver(says("01234", "56789", "more"))) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("on and on")
        ended = await talk.ended()
        assert ended.type == "session.failed"
        assert "longer than" in ended.data["error"]["message"]
        assert (await talk.messages())[-1].metadata == {"incomplete": True}


async def test_tools_do_not_run_on_when_the_result_of_another_cannot_be_stored(
    monkeypatch: pytest.MonkeyPatch,
):
    ended: list[str] = []

    @tool()
    async def wait() -> None:
        """Wait without end."""
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    def unstorable(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(tool_step, "returned", unstorable)
    driver = ScriptedDriver(calls(call("wait"), call("add", a=1, b=2)))
    async with local_runtime(driver, add, wait) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("go")
        await talk.ended()
        assert (await talk.types())[-1] == "session.failed"
        assert ended == ["cancelled"]
