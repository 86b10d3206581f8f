"""The handshake of a new connection: both ends prove that they know a secret.

Whoever may call can do all that the product can, so nothing is decoded before the handshake. The
server sends a challenge; the client answers with a challenge of its own and its proof; the server
answers with its proof. A proof is the HMAC-SHA-256 of both challenges and the name of the end that
gives it, so that neither an old proof nor the other end's own can be played back. Every message has
a fixed length, so neither end can make the other hold more than these few bytes.

If the kernel reports the user of the process at the other end, it must be our own user.

Source: the ``multiprocessing.connection`` module of Python, whose handshake has the same purpose.
"""

import asyncio
import hmac
import os
import secrets
import socket
import struct

CHALLENGE_BYTES = 32
PROOF_BYTES = 32
SECRET_BYTES = 32
CREDENTIALS = struct.Struct("3i")


def new_secret() -> bytes:
    """Return a random secret."""
    return secrets.token_bytes(SECRET_BYTES)


async def authenticate_client(client: socket.socket, secret: bytes) -> None:
    """Prove to a client that this is its server, once the client has proved that it may call.

    Args:
        client: A connected, non-blocking socket.
        secret: What both ends know.

    Raises:
        ConnectionError: The client is another user's, does not know the secret, or hung up.
    """
    _refuse_other_user(client)
    loop = asyncio.get_running_loop()
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    await loop.sock_sendall(client, challenge)
    answer = await _receive(client, CHALLENGE_BYTES + PROOF_BYTES)
    challenges = challenge + answer[:CHALLENGE_BYTES]
    _check(answer[CHALLENGE_BYTES:], _proof(secret, b"client", challenges))
    await loop.sock_sendall(client, _proof(secret, b"server", challenges))


async def authenticate_server(server: socket.socket, secret: bytes) -> None:
    """Prove to a server that this client may call it, and verify the server.

    Args:
        server: A connected, non-blocking socket.
        secret: What both ends know.

    Raises:
        ConnectionError: The server is another user's, does not know the secret, or hung up.
    """
    _refuse_other_user(server)
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    challenges = await _receive(server, CHALLENGE_BYTES) + challenge
    proof = _proof(secret, b"client", challenges)
    await asyncio.get_running_loop().sock_sendall(server, challenge + proof)
    _check(await _receive(server, PROOF_BYTES), _proof(secret, b"server", challenges))


def _proof(secret: bytes, end: bytes, challenges: bytes) -> bytes:
    return hmac.digest(secret, end + challenges, "sha256")


def _check(given: bytes, expected: bytes) -> None:
    if not hmac.compare_digest(given, expected):
        raise ConnectionRefusedError("The process at the other end does not know the secret.")


async def _receive(connection: socket.socket, size_bytes: int) -> bytes:
    """Return exactly so many bytes; the rest stays unread."""
    received = b""
    while len(received) < size_bytes:
        more = await asyncio.get_running_loop().sock_recv(connection, size_bytes - len(received))
        if not more:
            raise ConnectionResetError("The process at the other end hung up.")
        received += more
    return received


def _refuse_other_user(connection: socket.socket) -> None:
    if not hasattr(socket, "SO_PEERCRED"):
        return  # macOS, where the private folder and the secret must suffice.
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    _, user, _ = CREDENTIALS.unpack(credentials)
    if user != os.getuid():
        raise ConnectionRefusedError("The process at the other end belongs to another user.")
