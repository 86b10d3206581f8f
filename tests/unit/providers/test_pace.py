"""The pace of reading: a few answers as they come, many in rounds."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from everruns.providers.base import TextDelta
from everruns.providers.chat_completions import ChatCompletionsDriver
from everruns.providers.pace import LONGEST_ROUND_S, READS_PER_S, Pace

PATIENCE_S = 10
MANY = round(READS_PER_S * LONGEST_ROUND_S)


class Transport:
    """As much of a transport as a pace touches."""

    def __init__(self) -> None:
        self.reading = asyncio.Event()
        self.reading.set()
        self.is_closed = False

    def is_reading(self) -> bool:
        return self.reading.is_set()

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.reading.clear()

    def resume_reading(self) -> None:
        if self.is_closed:
            raise RuntimeError("the handler is closed")
        self.reading.set()


@contextmanager
def busy(pace: Pace, answers: int = MANY) -> Iterator[None]:
    """Let so many other answers be read meanwhile."""
    pace.count(answers)
    yield
    pace.count(-answers)


def token(text: str) -> dict[str, object]:
    return {"choices": [{"delta": {"content": text}}]}


LAST = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


async def test_a_few_answers_are_read_as_they_come():
    pace, transport = Pace(), Transport()

    with busy(pace, answers=4):
        pace.pause(transport)

    assert transport.is_reading()


async def test_many_answers_are_read_again_in_the_same_round():
    pace, transports = Pace(), [Transport() for _ in range(3)]
    with busy(pace):
        for transport in transports:
            pace.pause(transport)
    assert not any(transport.is_reading() for transport in transports)

    async with asyncio.timeout(PATIENCE_S):
        await transports[0].reading.wait()

    assert all(transport.is_reading() for transport in transports)


async def test_a_connection_that_was_closed_meanwhile_holds_up_no_other():
    pace, closed, other = Pace(), Transport(), Transport()
    with busy(pace):
        pace.pause(closed)
        pace.pause(other)

    closed.is_closed = True

    async with asyncio.timeout(PATIENCE_S):
        await other.reading.wait()


async def test_a_connection_that_the_library_has_paused_is_left_to_it():
    pace, transport, other = Pace(), Transport(), Transport()
    transport.pause_reading()

    with busy(pace):
        pace.pause(transport)
        pace.pause(other)

    async with asyncio.timeout(PATIENCE_S):
        await other.reading.wait()
    assert not transport.is_reading()


async def test_the_first_words_are_not_held_back(provider, ask, monkeypatch):
    monkeypatch.setattr("everruns.providers.pace.LONGEST_ROUND_S", 3600)
    pace = provider.connections.pace
    provider.streams({"choices": [{"delta": {"role": "assistant"}}]}, token("Hi"), ends=False)
    chunks = ChatCompletionsDriver(provider.wire()).stream(ask("m"))

    with busy(pace, answers=3600 * READS_PER_S):
        async with asyncio.timeout(PATIENCE_S):
            first = await anext(chunk async for chunk in chunks if isinstance(chunk, TextDelta))

    assert first.text == "Hi"
    await chunks.aclose()


async def test_an_answer_in_rounds_is_whole_and_leaves_its_connection_usable(
    provider, ask, collect
):
    words = [f"word {number} " for number in range(200)]
    driver = ChatCompletionsDriver(provider.wire())
    texts: list[str] = []

    with busy(provider.connections.pace):
        for _ in range(2):
            provider.streams(*map(token, words), LAST, b"data: [DONE]\n\n")
            async with asyncio.timeout(PATIENCE_S):
                chunks = await collect(driver, ask("m"))
            texts.append("".join(one.text for one in chunks if isinstance(one, TextDelta)))

    assert texts == ["".join(words)] * 2


async def test_an_abandoned_answer_no_longer_counts(provider, ask):
    pace = provider.connections.pace
    answer = provider.streams(token("Hi"), ends=False)
    chunks = ChatCompletionsDriver(provider.wire()).stream(ask("m"))
    await anext(chunk async for chunk in chunks if isinstance(chunk, TextDelta))

    await chunks.aclose()

    async with asyncio.timeout(PATIENCE_S):
        await answer.abandoned.wait()
    assert pace.answers == 0
