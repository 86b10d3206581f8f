"""Direct calls between processes of one machine."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from actors import direct
from actors.direct import DirectConnection, DirectServer
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere all calls go through Ray"
)


class Answers:
    """What a server answers with: the request, once it is let through."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.open = asyncio.Event()

    async def answer(self, request: bytes) -> bytes:
        self.asked.append(request)
        if request.startswith(b"wait"):
            await self.open.wait()
        return request * 2


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
async def address(answers: Answers) -> AsyncIterator[str]:
    server = DirectServer(answers.answer)
    found = await server.address()
    assert found is not None
    yield found
    server.close()


Connect = Callable[[str], Awaitable[DirectConnection]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    connections: list[DirectConnection] = []

    async def connect(address: str) -> DirectConnection:
        connections.append(await DirectConnection.connect(address))
        return connections[-1]

    yield connect
    for connection in connections:
        connection.transport.abort()


async def test_each_request_gets_its_own_answer(address: str, answers: Answers, connect: Connect):
    connection = await connect(address)
    waiting = asyncio.ensure_future(connection.call(b"wait"))
    assert await connection.call(b"quick") == b"quickquick"
    answers.open.set()
    assert await waiting == b"waitwait"


async def test_long_messages_arrive_whole(address: str, connect: Connect):
    connection = await connect(address)
    long = os.urandom(5_000_000)
    both = await asyncio.gather(connection.call(long), connection.call(b"short"))
    assert both == [long * 2, b"shortshort"]


async def test_an_answer_that_nobody_waits_for_disturbs_no_other(
    address: str, answers: Answers, connect: Connect
):
    connection = await connect(address)
    given_up = asyncio.ensure_future(connection.call(b"wait"))
    await eventually(lambda: answers.asked)
    given_up.cancel()
    answers.open.set()
    assert await connection.call(b"second") == b"secondsecond"
    assert answers.asked == [b"wait", b"second"]


async def test_when_the_other_process_ends_all_who_wait_learn_of_it(connect: Connect):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("\0everruns-test-that-ends")
        listening.listen()
        connection = await connect("\0everruns-test-that-ends")
        waiting = asyncio.ensure_future(connection.call(b"wait"))
        listening.accept()[0].close()
        with pytest.raises(ConnectionError):
            await waiting
        with pytest.raises(ConnectionError):
            await connection.call(b"later")
    with pytest.raises(ConnectionError):
        await connect("\0everruns-test-that-ends")


async def test_a_request_that_cannot_be_answered_is_not_waited_for(connect: Connect):
    async def fail(_request: bytes) -> bytes:
        raise MemoryError

    server = DirectServer(fail)
    address = await server.address()
    assert address is not None
    with pytest.raises(ConnectionError):
        await (await connect(address)).call(b"anything")
    server.close()


async def test_all_who_ask_for_the_address_at_once_get_the_same(answers: Answers):
    server = DirectServer(answers.answer)
    addresses = await asyncio.gather(*(server.address() for _ in range(3)))
    assert len(set(addresses)) == 1
    server.close()


async def test_what_was_asked_is_done_though_who_asked_has_gone(
    address: str, answers: Answers, connect: Connect
):
    gone = await connect(address)
    waiting = asyncio.ensure_future(gone.call(b"wait"))
    await eventually(lambda: answers.asked)
    gone.transport.abort()
    with pytest.raises(ConnectionError):
        await waiting
    answers.open.set()
    other = await connect(address)
    assert await other.call(b"other") == b"otherother"


async def test_more_requests_than_may_wait_are_served_in_their_turn(
    address: str, answers: Answers, monkeypatch: pytest.MonkeyPatch, connect: Connect
):
    monkeypatch.setattr(direct, "MAX_WAITING", 3)
    connection = await connect(address)
    calls = [asyncio.ensure_future(connection.call(b"wait%d" % n)) for n in range(500)]
    await eventually(lambda: len(answers.asked) >= 3)
    answers.open.set()
    assert await asyncio.gather(*calls) == [b"wait%d" % n * 2 for n in range(500)]


async def test_neither_end_talks_to_another_user(
    address: str, monkeypatch: pytest.MonkeyPatch, connect: Connect
):
    monkeypatch.setattr(direct.os, "getuid", lambda: os.geteuid() + 1)
    with pytest.raises(ConnectionRefusedError):
        await connect(address)


async def test_a_server_hangs_up_on_another_user(
    address: str, answers: Answers, monkeypatch: pytest.MonkeyPatch, connect: Connect
):
    own = os.geteuid()
    users = iter([own, own + 1])
    monkeypatch.setattr(direct.os, "getuid", lambda: next(users))
    connection = await connect(address)
    with pytest.raises(ConnectionError):
        await connection.call(b"hello")
    assert not answers.asked
