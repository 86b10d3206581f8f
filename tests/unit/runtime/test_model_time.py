"""How long a model may take, however busy it looks."""

import asyncio
from collections.abc import AsyncGenerator

from everruns.providers.base import ModelChunk, ModelRequest, TextDelta
from everruns.turn_failures import ProviderRateLimited
from tests.conversations import Conversation
from tests.scripts import Gate, ScriptedDriver, local_runtime, says, step


async def dripping(_request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
    while True:
        yield TextDelta(".")
        await asyncio.sleep(0.01)


async def ended_with(driver: ScriptedDriver, timeout_s: float) -> tuple[str, str]:
    async with local_runtime(driver, model_call_timeout_s=timeout_s) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        ending = await talk.ended()
        return ending.data.get("error", {}).get("code", ""), (await talk.texts())[-1]


async def test_an_answer_that_does_not_end_is_given_up_and_kept():
    driver = ScriptedDriver(dripping)

    code, text = await ended_with(driver, 0.2)

    assert code == "PROVIDER_TIMEOUT"
    assert text.startswith("agent: .")
    assert driver.closed == 1


async def test_a_model_that_says_nothing_is_given_up():
    assert (await ended_with(ScriptedDriver(step(Gate())), 0.2))[0] == "PROVIDER_TIMEOUT"


async def test_tries_share_the_time():
    driver = ScriptedDriver(step(ProviderRateLimited("slow down", None, 20.0)), says("late"))

    assert (await ended_with(driver, 0.2))[0] == "PROVIDER_TIMEOUT"
    assert len(driver.requests) == 1
