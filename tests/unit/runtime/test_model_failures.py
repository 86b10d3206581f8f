"""A model that fails: tried again while nothing was shown, else the turn says why."""

import asyncio

import pytest

from everruns.domain.events import EventType
from everruns.providers.base import ReasoningDelta, TextDelta
from everruns.runtime import turn
from everruns.turn_failures import (
    ContextTooLong,
    ModelFailure,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from tests.conversations import Conversation
from tests.scripts import ScriptedDriver, local_runtime, says, step


@pytest.fixture(autouse=True)
def waits(monkeypatch) -> list[float]:
    """No long waits; the fixture lists how long the turn wanted to wait."""
    wanted: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        if seconds:
            wanted.append(seconds)
        await real(0)

    class Clock:
        """The turn's own view of asyncio."""

        def __getattr__(self, name: str):
            return sleep if name == "sleep" else getattr(asyncio, name)

    monkeypatch.setattr(turn, "asyncio", Clock())
    return wanted


async def outcome(driver: ScriptedDriver) -> tuple[EventType, dict, list[str]]:
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        end = await talk.ended()
        return end.type, end.data.get("error", {}), await talk.texts()


async def test_failures_before_the_first_word_are_tried_again(waits):
    driver = ScriptedDriver(
        step(ProviderUnavailable("down")), step(ProviderUnavailable("down")), says("Hello.")
    )
    end, _, texts = await outcome(driver)
    assert (end, texts[-1]) == ("session.completed", "agent: Hello.")
    assert 0.25 <= waits[0] <= 0.75
    assert 0.5 <= waits[1] <= 1.5


async def test_after_two_retries_the_turn_fails_and_says_why(waits):
    driver = ScriptedDriver(*[step(ProviderUnavailable("The provider is down."))] * 3)
    end, error, _ = await outcome(driver)
    assert end == "session.failed"
    assert error == {"message": "The provider is down.", "code": "PROVIDER_UNAVAILABLE"}
    assert len(driver.requests) == 3
    assert len(waits) == 2


@pytest.mark.parametrize("chunk", [TextDelta("Hel"), ReasoningDelta("hm")])
async def test_what_was_shown_is_never_begun_again(chunk, waits):
    driver = ScriptedDriver(step(chunk, ProviderUnavailable("down")))
    end, error, texts = await outcome(driver)
    assert (end, error["code"]) == ("session.failed", "PROVIDER_UNAVAILABLE")
    assert texts == (["user: hi", "agent: Hel"] if isinstance(chunk, TextDelta) else ["user: hi"])
    assert waits == []


async def test_a_provider_is_given_the_time_it_asks_for(waits):
    driver = ScriptedDriver(step(ProviderRateLimited("slow down", None, 7.0)), says("Hello."))
    end, _, _ = await outcome(driver)
    assert end == "session.completed"
    assert waits == [7.0]


async def test_a_provider_that_asks_for_too_much_time_fails_the_turn_at_once(waits):
    driver = ScriptedDriver(step(ProviderRateLimited("come back tomorrow", None, 3600.0)))
    end, error, _ = await outcome(driver)
    assert (end, error["code"]) == ("session.failed", "PROVIDER_RATE_LIMITED")
    assert waits == []


@pytest.mark.parametrize(
    "failure",
    [
        ProviderUnauthorized("key"),
        ProviderRejected("bad"),
        ContextTooLong("long"),
        ModelFailure(""),
    ],
)
async def test_what_cannot_get_better_is_not_tried_again(failure: ModelFailure):
    driver = ScriptedDriver(step(failure))
    end, error, _ = await outcome(driver)
    assert (end, error["code"]) == ("session.failed", failure.code)


async def test_an_answer_without_an_end_fails_the_turn_and_is_kept():
    end, error, texts = await outcome(ScriptedDriver(step(TextDelta("so far"))))
    assert (end, error["code"]) == ("session.failed", "PROVIDER_ERROR")
    assert texts == ["user: hi", "agent: so far"]
