"""The simulated driver: what its settings make it say."""

import time

import pytest

from everruns.domain.controls import AnswerControls
from everruns.domain.messages import ThinkingBlock, ToolCallPart, ToolResultPart
from everruns.providers.base import ModelAnswer, ReasoningDelta, TextDelta
from everruns.providers.simulated import SimulatedDriver, SimulatedSettings
from everruns.turn_failures import ProviderRateLimited, ProviderUnavailable


def simulated(**settings) -> SimulatedDriver:
    return SimulatedDriver("demo", SimulatedSettings.model_validate(settings))


def text_of(chunks) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))


async def test_without_settings_it_echoes_and_says_that_it_is_simulated(ask, say, collect):
    chunks = await collect(simulated(), ask("simulated-1", say("user", "Hello there")))

    assert "simulated" in text_of(chunks)
    assert text_of(chunks).endswith("Hello there")
    assert isinstance(chunks[-1], ModelAnswer)


@pytest.mark.parametrize("reply", ["Yes.", "  two  words\n\nand more ", "", "ünï 🙂 code"])
async def test_a_reply_is_said_word_by_word_and_exactly(ask, collect, reply):
    chunks = await collect(simulated(reply=reply), ask("simulated-1"))

    assert text_of(chunks) == reply
    assert all(chunk.text for chunk in chunks[:-1])


async def test_tokens_is_the_number_of_words(ask, collect):
    chunks = await collect(simulated(tokens=1000), ask("simulated-1"))

    assert len(text_of(chunks).split()) == 1000
    assert chunks[-1].usage.output_tokens == 1000


async def test_input_is_counted_in_words(ask, say, collect):
    request = ask("simulated-1", say("user", "one two three"), system_prompt="be brief")

    assert (await collect(simulated(), request))[-1].usage.input_tokens == 5


async def test_reasoning_comes_first_and_is_kept(ask, collect):
    chunks = await collect(simulated(reasoning="Let me think", reply="42"), ask("simulated-1"))

    assert isinstance(chunks[0], ReasoningDelta)
    assert chunks[-1].thinking_blocks == [ThinkingBlock(thinking="Let me think")]


async def test_it_says_the_same_every_time(ask, collect):
    driver = simulated(script=[{"tool_calls": [{"name": "clock"}], "text": "Wait"}])

    assert await collect(driver, ask("simulated-1")) == await collect(driver, ask("simulated-1"))


SCRIPT = [
    {"text": "Let me look.", "tool_calls": [{"name": "weather", "arguments": {"city": "Rome"}}]},
    {"text": "Warm."},
]


async def test_a_script_goes_on_with_each_answer_of_the_turn(ask, say, collect):
    driver = simulated(script=SCRIPT)
    question = say("user", "weather?")

    first = await collect(driver, ask("simulated-1", question))
    call = first[-1].tool_calls[0]
    said = say("agent", ToolCallPart(id=call.id, name=call.name, arguments=call.arguments))
    result = say("tool_result", ToolResultPart(tool_call_id=call.id, result=21))
    second = await collect(driver, ask("simulated-1", question, said, result))

    assert call.arguments == {"city": "Rome"}
    assert first[-1].finish_reason == "tool_calls"
    assert text_of(second) == "Warm."
    assert second[-1].finish_reason == "stop"


async def test_a_message_that_steers_does_not_start_the_script_anew(ask, say, collect):
    transcript = [
        say("user", "weather?"),
        say("agent", ToolCallPart(id="call_1", name="weather")),
        say("tool_result", ToolResultPart(tool_call_id="call_1", result=21)),
        say("user", "in short, please"),
    ]

    assert text_of(await collect(simulated(script=SCRIPT), ask("s", *transcript))) == "Warm."


async def test_the_next_turn_starts_the_script_anew_with_fresh_ids(ask, say, collect):
    transcript = [
        say("user", "weather?"),
        say("agent", ToolCallPart(id="call_1", name="weather")),
        say("tool_result", ToolResultPart(tool_call_id="call_1", result=21)),
        say("agent", "Warm."),
        say("user", "and now?"),
    ]

    answer = (await collect(simulated(script=SCRIPT), ask("s", *transcript)))[-1]

    assert answer.tool_calls[0].id not in {"call_1", ""}


async def test_the_last_entry_of_a_script_repeats(ask, say, collect):
    turn = [say("user", "hi"), say("agent", "a"), say("agent", "b"), say("agent", "c")]

    assert text_of(await collect(simulated(script=SCRIPT), ask("s", *turn))) == "Warm."


async def test_a_failure_comes_after_so_many_words(ask):
    driver = simulated(
        reply="one two three four",
        fail={"code": "PROVIDER_RATE_LIMITED", "after_tokens": 2, "retry_after_s": 3},
    )
    chunks = driver.stream(ask("s"))

    heard = [await anext(chunks), await anext(chunks)]
    with pytest.raises(ProviderRateLimited) as raised:
        await anext(chunks)

    assert heard == [TextDelta("one "), TextDelta("two ")]
    assert raised.value.retry_after_s == 3


async def test_failures_end_after_so_many_times(ask, collect):
    driver = simulated(reply="Fine.", fail={"code": "PROVIDER_UNAVAILABLE", "times": 2})

    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            await collect(driver, ask("s"))

    assert text_of(await collect(driver, ask("s"))) == "Fine."


async def test_words_keep_their_pace(ask, collect):
    driver = simulated(tokens=100, first_token_ms=50, tokens_per_s=1000)
    start = time.perf_counter()

    await collect(driver, ask("s"))

    assert 0.14 < time.perf_counter() - start < 5


async def test_without_a_pace_it_is_fast(ask, collect):
    start = time.perf_counter()

    await collect(simulated(tokens=20_000), ask("s"))

    assert time.perf_counter() - start < 2


async def test_it_offers_one_model():
    assert [model.model_id for model in await simulated().list_models()] == ["simulated-1"]


@pytest.mark.parametrize(
    ("options", "thought", "text", "finish_reason"),
    [
        ({"max_output_tokens": 1}, "Let ", "", "length"),
        ({"max_output_tokens": 4}, "Let me think", "Say ", "length"),
        ({"max_output_tokens": 7}, "Let me think", "Say one two stop", "tool_calls"),
        ({"stop": ["two", "stop"]}, "Let me think", "Say one ", "stop"),
        ({"stop": ["two"], "max_output_tokens": 4}, "Let me think", "Say ", "length"),
        ({"stop": ["three"]}, "Let me think", "Say one two stop", "tool_calls"),
    ],
)
async def test_it_keeps_to_the_options_for_answers(
    ask, collect, options, thought, text, finish_reason
):
    step = {"reasoning": "Let me think", "text": "Say one two stop"}
    driver = simulated(script=[{**step, "tool_calls": [{"name": "clock"}]}])
    controls = AnswerControls.model_validate(options)

    chunks = await collect(driver, ask("simulated-1", controls=controls))

    answer = chunks[-1]
    assert (text_of(chunks), answer.finish_reason) == (text, finish_reason)
    assert answer.thinking_blocks == [ThinkingBlock(thinking=thought)]
    assert len(answer.tool_calls) == (1 if finish_reason == "tool_calls" else 0)
    assert answer.usage.output_tokens == len(f"{thought} {text}".split())
