"""A model in a loop is told so, and then its turn ends."""

from everruns.tools.base import ToolError
from everruns.tools.function import tool
from tests.conversations import Conversation
from tests.scripts import ScriptedDriver, call, calls, local_runtime, says


@tool(repeatable=True)
async def look(at: str) -> list[str]:
    """Look at something."""
    return [at]


@tool()
async def save(to: str) -> None:
    """Save."""
    raise ToolError(f"{to} is read-only")


def looks(times: int):
    return [calls(call("look", f"call_{n}", at="x")) for n in range(times)]


async def test_the_model_is_told_in_the_next_request_and_nothing_of_it_is_stored():
    driver = ScriptedDriver(*looks(5), says("Nothing there."))
    async with local_runtime(driver, look) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        assert await talk.say("Look.") == "Nothing there."
        assert all("tool_result" in driver.read(number)[-1] for number in range(1, 5))
        assert "called look with the same arguments 5 times" in driver.read(5)[-1]
        assert len(await talk.messages()) == 1 + 5 * 2 + 1


async def test_a_model_that_goes_on_loses_its_turn():
    driver = ScriptedDriver(*looks(10))
    async with local_runtime(driver, look) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("Look.")
        error = (await talk.ended()).data["error"]
        assert error["code"] == "LOOP_DETECTED"
        assert "called look with the same arguments 10 times" in error["message"]
        driver.steps = [says("Sorry.")]
        assert await talk.say("Stop that.") == "Sorry."


async def test_a_failing_change_ends_sooner():
    steps = [calls(call("save", f"call_{n}", to="/etc")) for n in range(4)]
    driver = ScriptedDriver(*steps)
    async with local_runtime(driver, save) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("Save.")
        error = (await talk.ended()).data["error"]
        assert error["code"] == "LOOP_DETECTED"
        assert "4 times, and it failed each time" in error["message"]


async def test_the_setting_lifts_the_limit():
    driver = ScriptedDriver(*looks(30), says("Done."))
    async with local_runtime(driver, look, max_repeated_calls=0) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        assert await talk.say("Look.") == "Done."
        assert "tool_result" in driver.read(30)[-1]
