"""The handshake of a new connection: both ends prove that they know a secret.

Whoever may call can do all that the product can, so nothing is decoded before the handshake. The
server sends a challenge; the client answers with a challenge of its own and its proof; the server
answers with its proof. A proof is the HMAC-SHA-256 of both challenges and the name of the end that
gives it, so that neither an old proof nor the other end's own can be played back. Every message has
a fixed length, so neither end can make the other hold more than these few bytes.

Source: the ``multiprocessing.connection`` module of Python, whose handshake has the same purpose.
"""

import hmac
import secrets
from errno import ECONNREFUSED

from actors.calls.greeting import Greeting

CHALLENGE_BYTES = 32
PROOF_BYTES = 32
SECRET_BYTES = 32


def new_secret() -> bytes:
    """Return a random secret."""
    return secrets.token_bytes(SECRET_BYTES)


async def authenticate_client(client: Greeting, secret: bytes) -> None:
    """Prove to a client that this is its server, once the client has proved that it may call.

    Args:
        client: The connection to it.
        secret: What both ends know.

    Raises:
        ConnectionError: The client does not know the secret, spoke out of turn, or hung up.
    """
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    client.send(challenge)
    answer = await client.receive(CHALLENGE_BYTES + PROOF_BYTES)
    challenges = challenge + answer[:CHALLENGE_BYTES]
    _check(answer[CHALLENGE_BYTES:], _proof(secret, b"client", challenges))
    client.send(_proof(secret, b"server", challenges))


async def authenticate_server(server: Greeting, secret: bytes) -> None:
    """Prove to a server that this client may call it, and verify the server.

    Args:
        server: The connection to it.
        secret: What both ends know.

    Raises:
        ConnectionError: The server does not know the secret, spoke out of turn, or hung up.
    """
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    challenges = await server.receive(CHALLENGE_BYTES) + challenge
    server.send(challenge + _proof(secret, b"client", challenges))
    _check(await server.receive(PROOF_BYTES), _proof(secret, b"server", challenges))


def _proof(secret: bytes, end: bytes, challenges: bytes) -> bytes:
    return hmac.digest(secret, end + challenges, "sha256")


def _check(given: bytes, expected: bytes) -> None:
    if not hmac.compare_digest(given, expected):
        raise ConnectionRefusedError(
            ECONNREFUSED, "The process at the other end does not know the secret."
        )
