"""Channels to a process that is restarted: one search for it, whoever waits."""

import asyncio
from collections.abc import Callable

import pytest

from actors.calls import channels
from actors.calls.channels import ReconnectingChannel
from everruns.errors import HostLost
from tests.waiting import eventually

CALLERS = 10_000


class Life:
    """One life of a process: it answers, or it is lost while calls are under way."""

    def __init__(self) -> None:
        self.calls = 0
        self.closed = False
        self.lost: asyncio.Future[bytes] | None = None

    async def call(self, request: bytes) -> bytes:
        self.calls += 1
        return await self.lost if self.lost else request

    def close(self) -> None:
        self.closed = True


class Process:
    """A process that is found, or not, each time it is looked for."""

    def __init__(self, *found: Life | None) -> None:
        self.tries = 0
        self._found = list(found)

    async def connect(self) -> Life:
        self.tries += 1
        life = self._found.pop(0) if self._found else None
        if life is None:
            raise ConnectionRefusedError
        return life


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "FIRST_PAUSE_S", 0.0005)
    monkeypatch.setattr(channels, "LONGEST_PAUSE_S", 0.01)


def hanging() -> tuple[Life, Callable[[], None]]:
    """A life in which calls hang, and what ends it."""
    life = Life()
    lost = life.lost = asyncio.get_running_loop().create_future()
    return life, lambda: lost.set_exception(ConnectionResetError())


async def outcomes(calls: list[asyncio.Future[bytes]]) -> list[bytes | BaseException]:
    return await asyncio.gather(*calls, return_exceptions=True)


async def test_thousands_that_wait_share_one_search_for_a_process(monkeypatch: pytest.MonkeyPatch):
    life, end = hanging()
    process = Process(life, *[None] * 5, again := Life())
    channel = ReconnectingChannel(process.connect, patience_s=30)
    calls = [asyncio.ensure_future(channel.call(b"x", 30)) for _ in range(CALLERS)]
    await eventually(lambda: life.calls == CALLERS)
    end()
    assert all(isinstance(one, HostLost) for one in await outcomes(calls))
    calls = [asyncio.ensure_future(channel.call(b"x", 30)) for _ in range(CALLERS)]
    assert await outcomes(calls) == [b"x"] * CALLERS
    assert (process.tries, again.calls) == (7, CALLERS)


async def test_when_patience_is_over_all_are_told_together():
    process = Process()
    channel = ReconnectingChannel(process.connect, patience_s=0.05)
    calls = [asyncio.ensure_future(channel.call(b"x", 30)) for _ in range(1000)]
    assert all(isinstance(one, HostLost) for one in await outcomes(calls))
    assert process.tries < 100


async def test_without_patience_a_process_is_looked_for_once():
    process = Process(None, Life())
    channel = ReconnectingChannel(process.connect)
    with pytest.raises(HostLost):
        await channel.call(b"x", 30)
    assert process.tries == 1
    assert await channel.call(b"x", 30) == b"x"


async def test_a_caller_that_gives_up_does_not_end_the_search():
    found: asyncio.Future[Life] = asyncio.get_running_loop().create_future()
    channel = ReconnectingChannel(lambda: found)
    given_up = asyncio.ensure_future(channel.call(b"x", 30))
    waiting = asyncio.ensure_future(channel.call(b"y", 30))
    await asyncio.sleep(0)
    given_up.cancel()
    await outcomes([given_up])
    found.set_result(Life())
    assert await waiting == b"y"


async def test_the_connection_to_a_life_that_has_ended_is_let_go():
    life, end = hanging()
    process = Process(life, Life())
    channel = ReconnectingChannel(process.connect)
    waiting = asyncio.ensure_future(channel.call(b"x", 30))
    await eventually(lambda: life.calls)
    end()
    with pytest.raises(HostLost):
        await waiting
    assert life.closed
    assert await channel.call(b"x", 30) == b"x"


async def test_one_call_without_an_answer_leaves_the_others_their_connection():
    life, _ = hanging()
    process = Process(life)
    channel = ReconnectingChannel(process.connect)
    with pytest.raises(HostLost, match="does not answer"):
        await channel.call(b"x", 0.01)
    assert not life.closed


async def test_a_process_that_comes_up_only_to_fail_is_looked_for_ever_more_rarely(
    monkeypatch: pytest.MonkeyPatch,
):
    pauses: list[float] = []

    async def sleep(pause_s: float) -> None:
        pauses.append(pause_s)

    async def connect() -> Life:
        life, end = hanging()
        end()
        return life

    channel = ReconnectingChannel(connect)
    monkeypatch.setattr(channels, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(channels, "LONGEST_PAUSE_S", 1.0)
    monkeypatch.setattr(channels.asyncio, "sleep", sleep)
    for _ in range(20):
        with pytest.raises(HostLost):
            await channel.call(b"x", 30)
    assert pauses[0] == 0
    assert 0.5 <= pauses[-1] <= 1.0
