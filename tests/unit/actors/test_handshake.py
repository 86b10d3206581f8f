"""The handshake of a new connection between two processes."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator

import pytest

from actors.calls import handshake
from actors.calls.handshake import authenticate_client, authenticate_server, new_secret

SECRET = new_secret()

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """The two ends of a connection: the client's view of it, and the server's."""
    client, server = socket.socketpair(socket.AF_UNIX)
    with client, server:
        client.setblocking(False)
        server.setblocking(False)
        yield client, server


async def test_two_that_know_the_secret_let_each_other_in(ends: Ends):
    client, server = ends
    await asyncio.gather(authenticate_server(client, SECRET), authenticate_client(server, SECRET))


async def test_a_client_without_the_secret_learns_no_proof(ends: Ends):
    client, server = ends
    loop = asyncio.get_running_loop()
    refused = asyncio.ensure_future(authenticate_client(server, SECRET))
    assert len(await loop.sock_recv(client, 1000)) == handshake.CHALLENGE_BYTES
    await loop.sock_sendall(client, bytes(handshake.CHALLENGE_BYTES + handshake.PROOF_BYTES))
    with pytest.raises(ConnectionRefusedError, match="secret"):
        await refused
    with pytest.raises(BlockingIOError):
        client.recv(1)


async def test_a_server_without_the_secret_is_refused(ends: Ends):
    client, server = ends
    loop = asyncio.get_running_loop()
    refused = asyncio.ensure_future(authenticate_server(client, SECRET))
    await loop.sock_sendall(server, bytes(handshake.CHALLENGE_BYTES))
    await loop.sock_recv(server, 1000)
    await loop.sock_sendall(server, bytes(handshake.PROOF_BYTES))
    with pytest.raises(ConnectionRefusedError, match="secret"):
        await refused


async def test_a_server_cannot_send_a_clients_own_proof_back(ends: Ends):
    client, server = ends
    loop = asyncio.get_running_loop()
    refused = asyncio.ensure_future(authenticate_server(client, SECRET))
    await loop.sock_sendall(server, bytes(handshake.CHALLENGE_BYTES))
    answer = await loop.sock_recv(server, 1000)
    await loop.sock_sendall(server, answer[handshake.CHALLENGE_BYTES :])
    with pytest.raises(ConnectionRefusedError, match="secret"):
        await refused


async def test_an_earlier_proof_is_worth_nothing(ends: Ends):
    client, server = ends
    loop = asyncio.get_running_loop()
    first = asyncio.ensure_future(authenticate_server(client, SECRET))
    await loop.sock_sendall(server, bytes(handshake.CHALLENGE_BYTES))
    answer = await loop.sock_recv(server, 1000)
    first.cancel()
    again = asyncio.ensure_future(authenticate_client(server, SECRET))
    await loop.sock_recv(client, 1000)
    await loop.sock_sendall(client, answer)
    with pytest.raises(ConnectionRefusedError, match="secret"):
        await again


async def test_an_end_that_hangs_up_is_told_apart(ends: Ends):
    client, server = ends
    waiting = asyncio.ensure_future(authenticate_client(server, SECRET))
    client.close()
    with pytest.raises(ConnectionError):
        await waiting


@pytest.mark.skipif(
    not hasattr(socket, "SO_PEERCRED"), reason="this system does not tell whose process it is"
)
@pytest.mark.parametrize("end", [authenticate_client, authenticate_server])
async def test_neither_end_talks_to_another_user(
    end: Callable[[socket.socket, bytes], Awaitable[None]],
    ends: Ends,
    monkeypatch: pytest.MonkeyPatch,
):
    own = os.geteuid()
    monkeypatch.setattr(handshake.os, "getuid", lambda: own + 1)
    with pytest.raises(ConnectionRefusedError, match="another user"):
        await end(ends[0], SECRET)
