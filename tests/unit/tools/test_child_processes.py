"""Functions in child processes: whatever they do, this process goes on."""

import asyncio
import ctypes
import os
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from everruns.tools import child_processes as room
from everruns.tools.child_processes import (
    ChildFailed,
    ChildProcesses,
    ChildrenBusy,
    ChildTimedOut,
)
from tests.waiting import PATIENCE_S

# Functions for the children


def joined(frames: Iterator[bytes]) -> bytes:
    return b"+".join(frames)


def first(frames: Iterator[bytes]) -> bytes:
    return next(frames)


def process_id(_: Iterator[bytes]) -> bytes:
    return str(os.getpid()).encode()


def environment(_: Iterator[bytes]) -> bytes:
    return " ".join(os.environ).encode()


def talkative(_: Iterator[bytes]) -> bytes:
    print("something that is not an answer", flush=True)
    return b"an answer"


def endless(_: Iterator[bytes]) -> bytes:
    while True:
        pass


def greedy(_: Iterator[bytes]) -> bytes:
    return bytes(2**31)


def crashing(_: Iterator[bytes]) -> bytes:
    ctypes.string_at(0)
    return b""


def failing(_: Iterator[bytes]) -> bytes:
    raise ValueError("secret")


def boundless(_: Iterator[bytes]) -> bytes:
    return bytes(room.MAX_ANSWER_BYTES)


@pytest.fixture
async def children() -> AsyncIterator[ChildProcesses]:
    children = ChildProcesses(1)
    yield children
    children.close()


async def test_a_function_gets_its_frames_and_gives_an_answer(children):
    assert await children.run(joined, [b"one", b"", b"two"], PATIENCE_S) == b"one++two"


async def test_frames_that_a_function_does_not_need_do_no_harm(children):
    many = (bytes(100_000) for _ in range(100))

    assert await children.run(first, iter([b"one", *many]), PATIENCE_S) == b"one"
    assert await children.run(joined, [b"two"], PATIENCE_S) == b"two"


async def test_a_process_serves_one_function_after_another(children):
    processes = {await children.run(process_id, [], PATIENCE_S) for _ in range(3)}

    assert len(processes) == 1


async def test_a_process_is_replaced_after_so_many_functions(children, monkeypatch):
    monkeypatch.setattr(room, "MAX_RUNS", 2)

    processes = [await children.run(process_id, [], PATIENCE_S) for _ in range(4)]

    assert processes[0] == processes[1]
    assert processes[1] != processes[2] == processes[3]


async def test_a_process_that_ended_while_idle_is_replaced(children):
    before = int(await children.run(process_id, [], PATIENCE_S))
    os.kill(before, 9)

    assert int(await children.run(process_id, [], PATIENCE_S)) != before


async def test_no_secret_of_the_environment_reaches_a_function(children, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")

    assert b"KEY" not in await children.run(environment, [], PATIENCE_S)


async def test_what_a_function_prints_is_not_taken_for_an_answer(children):
    assert await children.run(talkative, [], PATIENCE_S) == b"an answer"


@pytest.mark.parametrize("frames", [[], [bytes(10_000_000)]])
async def test_a_function_without_an_end_is_ended_while_this_process_goes_on(children, frames):
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    ticking = asyncio.create_task(tick())
    with pytest.raises(ChildTimedOut):
        await children.run(endless, frames, 0.5)
    ticking.cancel()

    assert ticks > 100
    assert await children.run(joined, [b"next"], PATIENCE_S) == b"next"


@pytest.mark.parametrize("function", [greedy, crashing, failing, boundless])
async def test_a_function_that_fails_fails_alone(children, function):
    with pytest.raises(ChildFailed) as failed:
        await children.run(function, [], PATIENCE_S)

    assert "secret" not in str(failed.value)
    assert await children.run(joined, [b"next"], PATIENCE_S) == b"next"


async def test_frames_that_cannot_be_had_leave_nothing_behind(children):
    def frames() -> Iterator[bytes]:
        yield b"one"
        raise LookupError("gone")

    with pytest.raises(LookupError):
        await children.run(joined, frames(), PATIENCE_S)
    assert await children.run(joined, [b"next"], PATIENCE_S) == b"next"


async def test_those_who_wait_are_bounded(children, monkeypatch):
    monkeypatch.setattr(room, "MAX_WAITING", 1)
    begun, go_on = threading.Event(), threading.Event()

    def frames() -> Iterator[bytes]:
        begun.set()
        go_on.wait(PATIENCE_S)
        yield b"one"

    running = asyncio.create_task(children.run(joined, frames(), PATIENCE_S))
    await asyncio.to_thread(begun.wait, PATIENCE_S)
    with pytest.raises(ChildrenBusy):
        await children.run(joined, [], PATIENCE_S)
    go_on.set()

    assert await running == b"one"


async def test_closing_ends_the_processes():
    children = ChildProcesses(1)
    process = int(await children.run(process_id, [], PATIENCE_S))

    children.close()

    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def niceness(_: Iterator[bytes]) -> bytes:
    return str(os.nice(0)).encode()


async def test_a_function_gives_way_to_this_process(children: ChildProcesses):
    assert int(await children.run(niceness, [], 5)) > os.nice(0)


async def test_a_function_ends_when_nobody_waits_for_it_any_more(children: ChildProcesses):
    reached = threading.Event()

    def frames() -> Iterator[bytes]:
        yield b""
        reached.set()

    running = asyncio.create_task(children.run(endless, frames(), 60))
    await asyncio.to_thread(reached.wait, PATIENCE_S)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with asyncio.timeout(PATIENCE_S):
        assert await children.run(joined, [b"a"], 60) == b"a", "its process is free again"
