"""Functions in threads, some of which never come back."""

import asyncio
import socket
import threading
from contextvars import ContextVar

import pytest

from everruns.tools.names import Names
from everruns.tools.threads import Threads, ThreadsExhausted
from tests.waiting import PATIENCE_S, eventually


@pytest.fixture
def stuck():
    """A function that blocks until the test is over; its threads are counted."""
    over = threading.Event()
    begun: list[str] = []

    def block() -> None:
        begun.append(threading.current_thread().name)
        over.wait(PATIENCE_S)

    block.begun = begun
    yield block
    over.set()


async def give_up(threads: Threads, function, *, begun: int) -> None:
    """Begin a function, and cancel it when it and those before it have begun."""
    task = asyncio.create_task(threads.run(function))
    await eventually(lambda: len(function.begun) == begun)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_function_returns_or_raises():
    threads = Threads("test", 1, 1)
    spoken: ContextVar[str] = ContextVar("spoken")
    spoken.set("hello")

    assert await threads.run(spoken.get) == "hello"
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)


async def test_a_function_that_was_given_up_takes_no_place(stuck):
    threads = Threads("test", 1, 10)

    for number in range(3):
        await give_up(threads, stuck, begun=number + 1)

    assert await threads.run(lambda: "next") == "next"


async def test_those_given_up_are_bounded_until_they_come_back():
    threads = Threads("test", 2, 1)
    over = threading.Event()

    def block() -> None:
        block.begun.append(1)
        over.wait(PATIENCE_S)

    block.begun = []
    await give_up(threads, block, begun=1)
    with pytest.raises(ThreadsExhausted):
        await threads.run(lambda: "next")

    over.set()

    async def again() -> bool:
        try:
            return await threads.run(lambda: True)
        except ThreadsExhausted:
            return False

    async with asyncio.timeout(PATIENCE_S):
        while not await again():
            await asyncio.sleep(0.01)


async def test_no_more_run_at_a_time_than_the_limit(stuck):
    threads = Threads("test", 2, 10)

    tasks = [asyncio.create_task(threads.run(stuck)) for _ in range(3)]
    await eventually(lambda: len(stuck.begun) == 2)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await threads.run(lambda: "next")

    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_look_up_that_gets_no_answer_is_given_up(monkeypatch, stuck):
    real = socket.getaddrinfo

    def black_hole(host: str, *args: object, **kwargs: object) -> object:
        return stuck() if host.endswith(".lost") else real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", black_hole)
    names = Names("test", 1, 0.05)

    for _ in range(2):
        with pytest.raises(OSError, match="in time"):
            await names.addresses("name.lost")

    assert [text for _, text in await names.addresses("127.0.0.1")] == ["127.0.0.1"]
