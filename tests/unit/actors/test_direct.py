"""Direct calls between processes of one machine."""

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from actors.calls import direct, frames, listener, socket_files
from actors.calls.direct import DirectConnection, DirectServer
from everruns.address import Address
from tests.waiting import PATIENCE_S, eventually

SERVE = """
import asyncio
from actors.calls.direct import DirectServer

async def forever(request):
    await asyncio.Event().wait()

async def serve():
    address = await DirectServer(forever).address()
    print(address.path, address.secret.hex(), flush=True)
    await asyncio.Event().wait()

asyncio.run(serve())
"""


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
async def address(answers: Answers) -> AsyncIterator[Address]:
    server = DirectServer(answers.answer)
    yield await server.address()
    await server.close()


Connect = Callable[[Address], Awaitable[DirectConnection]]


OtherProcess = tuple[Address, Callable[[], Awaitable[object]]]


@pytest.fixture
async def other_process() -> AsyncIterator[OtherProcess]:
    """The address of a server in a process of its own, and what kills that."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    path, secret = (await process.stdout.readline()).split()

    async def kill() -> None:
        process.send_signal(signal.SIGKILL)
        await process.wait()

    yield Address(Path(path.decode()), bytes.fromhex(secret.decode())), kill
    if process.returncode is None:
        await kill()
    socket_files.remove_left_behind()


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    connections: list[DirectConnection] = []

    async def connect(address: Address) -> DirectConnection:
        connections.append(await DirectConnection.connect(address))
        return connections[-1]

    yield connect
    for connection in connections:
        connection.close()


async def test_each_request_gets_its_own_answer(
    address: Address, answers: Answers, connect: Connect
):
    connection = await connect(address)
    waiting = asyncio.ensure_future(connection.call(b"wait"))
    assert await connection.call(b"quick") == b"quickquick"
    answers.open.set()
    assert await waiting == b"waitwait"


async def test_long_messages_arrive_whole(address: Address, connect: Connect):
    connection = await connect(address)
    long = os.urandom(5_000_000)
    both = await asyncio.gather(connection.call(long), connection.call(b"short"))
    assert both == [long * 2, b"shortshort"]


async def test_an_answer_that_nobody_waits_for_disturbs_no_other(
    address: Address, answers: Answers, connect: Connect
):
    connection = await connect(address)
    given_up = asyncio.ensure_future(connection.call(b"wait"))
    await eventually(lambda: answers.asked)
    given_up.cancel()
    answers.open.set()
    assert await connection.call(b"second") == b"secondsecond"
    assert answers.asked == [b"wait", b"second"]


async def test_when_the_other_process_ends_all_its_callers_learn_of_it(
    other_process: OtherProcess, connect: Connect
):
    address, kill = other_process
    connection = await connect(address)
    waiting = asyncio.ensure_future(connection.call(b"wait"))
    await kill()
    with pytest.raises(ConnectionError):
        await waiting
    with pytest.raises(ConnectionError):
        await connection.call(b"later")
    with pytest.raises(ConnectionError):
        await connect(address)


async def test_a_request_that_cannot_be_answered_is_not_waited_for(connect: Connect):
    async def fail(_request: bytes) -> bytes:
        raise MemoryError

    server = DirectServer(fail)
    connection = await connect(await server.address())
    with pytest.raises(ConnectionError):
        await connection.call(b"anything")
    await server.close()


async def test_all_who_ask_for_the_address_at_once_get_the_same(answers: Answers):
    server = DirectServer(answers.answer)
    addresses = await asyncio.gather(*(server.address() for _ in range(3)))
    assert len(set(addresses)) == 1
    await server.close()


async def test_a_request_is_carried_out_though_its_caller_has_gone(
    address: Address, answers: Answers, connect: Connect
):
    gone = await connect(address)
    waiting = asyncio.ensure_future(gone.call(b"wait"))
    await eventually(lambda: answers.asked)
    gone.close()
    with pytest.raises(ConnectionError):
        await waiting
    answers.open.set()
    other = await connect(address)
    assert await other.call(b"other") == b"otherother"


async def test_more_requests_than_may_wait_are_served_in_their_turn(
    address: Address, answers: Answers, monkeypatch: pytest.MonkeyPatch, connect: Connect
):
    monkeypatch.setattr(direct, "MAX_WAITING", 3)
    connection = await connect(address)
    calls = [asyncio.ensure_future(connection.call(b"wait%d" % n)) for n in range(500)]
    await eventually(lambda: len(answers.asked) >= 3)
    answers.open.set()
    assert await asyncio.gather(*calls) == [b"wait%d" % n * 2 for n in range(500)]


# Who is let in


async def test_whoever_does_not_know_the_secret_is_not_let_in(address: Address, connect: Connect):
    with pytest.raises(ConnectionError):
        await connect(replace(address, secret=bytes(32)))


async def test_a_request_before_the_handshake_is_not_read(address: Address, answers: Answers):
    frame = frames.HEADER.pack(1, 5) + b"hello"
    assert await hung_up(address, frame * 10)
    assert not answers.asked


async def test_whoever_says_nothing_is_hung_up_on(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(listener, "HANDSHAKE_TIMEOUT_S", 0.5)
    server = DirectServer(answers.answer)
    assert await hung_up(await server.address(), b"")
    await server.close()


async def test_those_who_say_nothing_keep_nobody_out(
    answers: Answers, monkeypatch: pytest.MonkeyPatch, connect: Connect
):
    monkeypatch.setattr(listener, "MAX_UNAUTHENTICATED", 2)
    monkeypatch.setattr(listener, "HANDSHAKE_TIMEOUT_S", 10 * PATIENCE_S)
    server = DirectServer(answers.answer)
    address = await server.address()
    loop = asyncio.get_running_loop()
    silent: list[socket.socket] = []
    for _ in range(10):
        silent.append(socket_files.connect(address.path))
        assert len(await loop.sock_recv(silent[-1], 100)) == 32
    assert await (await connect(address)).call(b"hello") == b"hellohello"
    for oldest in silent[:9]:
        assert await loop.sock_recv(oldest, 100) == b""
    with pytest.raises(BlockingIOError):
        silent[9].recv(100)
    for connection in silent:
        connection.close()
    await server.close()


@pytest.mark.skipif(
    not hasattr(socket, "SO_PEERCRED"), reason="this system does not tell whose process it is"
)
async def test_neither_end_talks_to_another_user(
    address: Address, monkeypatch: pytest.MonkeyPatch, connect: Connect
):
    asked: list[socket.socket] = []
    monkeypatch.setattr(socket_files, "refuse_other_user", asked.append)
    await connect(address)
    assert len(asked) == 2
    monkeypatch.undo()
    monkeypatch.setattr(socket_files, "getuid", lambda: os.geteuid() + 1)
    own, other = socket.socketpair(socket.AF_UNIX)
    with own, other, pytest.raises(ConnectionRefusedError, match="another user"):
        socket_files.refuse_other_user(own)


async def test_a_message_that_is_too_long_ends_the_connection_before_it_is_held(
    address: Address, answers: Answers, connect: Connect
):
    connection = await connect(address)
    waiting = asyncio.ensure_future(connection.call(b"wait"))
    await eventually(lambda: answers.asked)
    connection.transport.write(frames.HEADER.pack(2, frames.MAX_FRAME_BYTES + 1))
    with pytest.raises(ConnectionError):
        await waiting


async def test_a_request_that_is_too_long_is_not_sent(
    address: Address, monkeypatch: pytest.MonkeyPatch, connect: Connect
):
    connection = await connect(address)
    monkeypatch.setattr(frames, "MAX_FRAME_BYTES", 10)
    with pytest.raises(ValueError, match="11 bytes"):
        await connection.call(b"x" * 11)


async def hung_up(address: Address, sent: bytes) -> bool:
    """Send something after the server's challenge; return whether all it does is to hang up."""
    loop = asyncio.get_running_loop()
    with socket_files.connect(address.path) as connection:
        assert len(await loop.sock_recv(connection, 1000)) == 32
        await loop.sock_sendall(connection, sent)
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await loop.sock_recv(connection, 1000) == b""
            except ConnectionResetError:
                return True


# The sockets' files


async def test_only_its_user_can_reach_a_socket(address: Address):
    assert address.path.parent.stat().st_mode & 0o777 == 0o700
    assert address.path.is_socket()
    assert len(bytes(address.path)) < 100


async def test_a_closed_server_leaves_nothing_behind(answers: Answers):
    server = DirectServer(answers.answer)
    folder = (await server.address()).path.parent
    await server.close()
    assert not folder.exists()


async def test_what_a_killed_process_left_behind_is_removed_by_the_next_one(
    other_process: OtherProcess, answers: Answers, address: Address
):
    killed, kill = other_process
    await kill()
    assert killed.path.exists()
    server = DirectServer(answers.answer)
    await server.address()
    assert not killed.path.parent.exists()
    assert address.path.exists()
    await server.close()


async def test_a_folder_that_others_can_enter_is_not_trusted(address: Address, connect: Connect):
    address.path.parent.chmod(0o755)
    with pytest.raises(PermissionError, match="private"):
        await connect(address)


class SlowListening:
    """Makes a socket listen as always, once it may."""

    def __init__(self) -> None:
        self.begun, self.may_go_on = threading.Event(), threading.Event()
        self.paths: list[Path] = []
        self._listen = socket_files.listen

    def __call__(self, backlog: int) -> tuple[socket.socket, Path]:
        self.begun.set()
        assert self.may_go_on.wait(PATIENCE_S)
        listening, path = self._listen(backlog)
        self.paths.append(path)
        return listening, path


@pytest.fixture
def slow_listening(monkeypatch: pytest.MonkeyPatch) -> SlowListening:
    slow_listening = SlowListening()
    monkeypatch.setattr(socket_files, "listen", slow_listening)
    return slow_listening


async def test_a_caller_that_gives_up_leaves_no_socket_behind(
    answers: Answers, slow_listening: SlowListening
):
    server = DirectServer(answers.answer)
    first = asyncio.create_task(server.address())
    await eventually(slow_listening.begun.is_set)

    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    slow_listening.may_go_on.set()
    address = await server.address()
    await server.close()

    assert first.cancelled()
    assert slow_listening.paths == [address.path]
    assert not address.path.exists()


async def test_a_server_that_is_closed_while_it_begins_to_listen_leaves_no_socket_behind(
    answers: Answers, slow_listening: SlowListening
):
    server = DirectServer(answers.answer)
    opening = asyncio.create_task(server.address())
    await eventually(slow_listening.begun.is_set)

    closing = asyncio.create_task(server.close())
    slow_listening.may_go_on.set()
    await opening
    await closing

    assert [path.exists() for path in slow_listening.paths] == [False]
