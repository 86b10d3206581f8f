"""What a turn makes of the tool calls of its model."""

import asyncio
from typing import Any

import pytest

from everruns.domain.agents import AgentInput
from everruns.domain.parts import TextPart, ToolOutput
from everruns.providers.base import ModelAnswer
from everruns.runtime import tool_step
from everruns.tools.base import ToolError
from everruns.tools.function import tool
from everruns.tools.results import MAX_RESULT_BYTES
from tests.conversations import Conversation
from tests.odd_images import IMAGES
from tests.scripts import ScriptedDriver, add, call, calls, local_runtime, says, step


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
