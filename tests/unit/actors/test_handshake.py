"""The handshake of a new connection between two processes."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from actors.calls import greeting, handshake
from actors.calls.frames import Frames
from actors.calls.greeting import Greeting
from actors.calls.handshake import authenticate_client, authenticate_server, new_secret

SECRET = new_secret()


class Ends(NamedTuple):
    """A process at one end of a connection, and whoever is at the other."""

    own: Greeting
    other: socket.socket

    async def says(self, content: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.other, content)

    async def hears(self) -> bytes:
        async with asyncio.timeout(20):
            return await asyncio.get_running_loop().sock_recv(self.other, 1000)


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    own, other = socket.socketpair(socket.AF_UNIX)
    other.setblocking(False)
    with other:
        ends = Ends(await greeting_on(own), other)
        yield ends
        ends.own.transport.abort()


async def greeting_on(own: socket.socket) -> Greeting:
    made = Greeting()
    await asyncio.get_running_loop().create_unix_connection(lambda: made, sock=own)
    return made


async def test_two_that_know_the_secret_let_each_other_in():
    client, server = [await greeting_on(end) for end in socket.socketpair(socket.AF_UNIX)]
    await asyncio.gather(authenticate_server(client, SECRET), authenticate_client(server, SECRET))
    client.transport.abort()
    server.transport.abort()


async def test_a_client_without_the_secret_learns_no_proof(ends: Ends):
    refused = asyncio.ensure_future(authenticate_client(ends.own, SECRET))
    assert len(await ends.hears()) == handshake.CHALLENGE_BYTES
    await ends.says(bytes(handshake.CHALLENGE_BYTES + handshake.PROOF_BYTES))
    with pytest.raises(ConnectionRefusedError, match="secret"):
        await refused
    with pytest.raises(BlockingIOError):
        ends.other.recv(1)


async def test_a_server_without_the_secret_is_refused(ends: Ends):
    refused = asyncio.ensure_future(authenticate_server(ends.own, SECRET))
    await ends.says(bytes(handshake.CHALLENGE_BYTES))
    await ends.hears()
    await ends.says(bytes(handshake.PROOF_BYTES))
    with pytest.raises(ConnectionRefusedError, match="secret"):
        await refused


async def test_a_server_cannot_send_a_clients_own_proof_back(ends: Ends):
    refused = asyncio.ensure_future(authenticate_server(ends.own, SECRET))
    await ends.says(bytes(handshake.CHALLENGE_BYTES))
    answer = await ends.hears()
    await ends.says(answer[handshake.CHALLENGE_BYTES :])
    with pytest.raises(ConnectionRefusedError, match="secret"):
        await refused


async def test_an_earlier_proof_is_worth_nothing(ends: Ends):
    first = asyncio.ensure_future(authenticate_server(ends.own, SECRET))
    await ends.says(bytes(handshake.CHALLENGE_BYTES))
    answer = await ends.hears()
    first.cancel()
    again = asyncio.ensure_future(authenticate_client(ends.own, SECRET))
    await ends.hears()
    await ends.says(answer)
    with pytest.raises(ConnectionRefusedError, match="secret"):
        await again


async def test_an_end_that_hangs_up_is_told_apart(ends: Ends):
    waiting = asyncio.ensure_future(authenticate_client(ends.own, SECRET))
    ends.other.close()
    with pytest.raises(ConnectionError, match="hung up"):
        await waiting


async def test_an_end_that_speaks_out_of_turn_is_refused(ends: Ends):
    refused = asyncio.ensure_future(authenticate_client(ends.own, SECRET))
    await ends.hears()
    await ends.says(bytes(handshake.CHALLENGE_BYTES + handshake.PROOF_BYTES + 1))
    with pytest.raises(ConnectionRefusedError, match="out of turn"):
        await refused


async def test_what_was_said_before_the_end_of_the_handshake_is_no_frame(ends: Ends):
    await ends.says(b"a frame")
    await asyncio.wait_for(ends.own._changed.wait(), 20)
    with pytest.raises(ConnectionRefusedError, match="out of turn"):
        ends.own.hand_over(Frames())


async def test_an_end_that_says_too_much_is_hung_up_on(ends: Ends):
    waiting = asyncio.ensure_future(ends.own.receive(10 * greeting.MAX_BYTES))
    await ends.says(bytes(greeting.MAX_BYTES + 1))
    with pytest.raises(ConnectionError):
        await waiting
    with pytest.raises(ConnectionError):
        ends.own.hand_over(Frames())
