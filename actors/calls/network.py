"""Sockets of the network, for calls between nodes: TLS 1.3 with a certificate that is pinned.

A server makes its certificate when it begins to listen, and hands out the fingerprint with its
address. The fingerprint is all that a client checks: there is no authority, no name and no file to
configure. Neither end sends or reads anything before TLS is up and the certificate is the right
one; then comes the handshake with the secret (``actors.calls.handshake``).
"""

import asyncio
import errno
import hmac
import random
import socket
import ssl
from contextlib import suppress
from functools import cache
from hashlib import sha256

from actors.calls.certificate import Certificate
from actors.calls.greeting import Greeting
from everruns.address import Endpoint

ANY_PORT = range(0)
# A machine that is cut off or loses its power sends no farewell.
KEEPALIVE_S = 5
SILENCE_TIMEOUT_S = 10
# The operating system answers for a machine, however busy its processes are. If a packet is lost,
# Ray is asked, or a registry taken over, without need.
CONNECT_TIMEOUT_S = 1.0
UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN}


class MachineSilentError(ConnectionError):
    """Nothing on the other machine answers, not even its system."""


def listen(host: str, ports: range, backlog: int) -> socket.socket:
    """Return a listening, non-blocking socket.

    Args:
        host: The IP address to listen on.
        ports: The ports of which to take a free one; ``ANY_PORT`` takes one from the system.
        backlog: How many connections may wait to be accepted.

    Raises:
        OSError: The address is not this machine's, or no port is free.
    """
    *others, last = random.sample(ports, len(ports)) or [0]
    for port in others:
        with suppress(OSError):
            return _listen(host, port, backlog)
    return _listen(host, last, backlog)


def _listen(host: str, port: int, backlog: int) -> socket.socket:
    listening = _new_socket(host)
    try:
        # A port can be taken again at once when its process has ended.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(backlog)
    except OSError:
        listening.close()
        raise
    return listening


async def connect(endpoint: Endpoint) -> Greeting:
    """Return a connection to the server of this endpoint, and to no other.

    Raises:
        MachineSilentError: The machine does not answer.
        OSError: Nobody listens there, or somebody else.
    """
    loop = asyncio.get_running_loop()
    server, greeting = _new_socket(endpoint.host), Greeting()
    try:
        bound_silence(server)
        await _reach(server, endpoint)
        await loop.create_connection(
            lambda: greeting, sock=server, ssl=_client_tls(), server_hostname=""
        )
    except BaseException:
        server.close()
        raise
    certificate = greeting.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
    if not hmac.compare_digest(sha256(certificate).digest(), endpoint.fingerprint):
        greeting.transport.abort()
        raise ConnectionRefusedError(
            errno.ECONNREFUSED, "The process at the other end has another certificate."
        )
    return greeting


async def _reach(server: socket.socket, endpoint: Endpoint) -> None:
    connecting = asyncio.timeout(CONNECT_TIMEOUT_S)
    try:
        async with connecting:
            loop = asyncio.get_running_loop()
            await loop.sock_connect(server, (endpoint.host, endpoint.port))
    except OSError as error:
        if connecting.expired() or error.errno in UNREACHABLE:
            raise MachineSilentError(
                errno.EHOSTUNREACH, f"{endpoint.host} does not answer."
            ) from error
        raise


def bound_silence(connection: socket.socket) -> None:
    """Send small messages at once, and end the connection if the other machine falls silent."""
    options = {
        (socket.IPPROTO_TCP, "TCP_NODELAY"): 1,
        (socket.SOL_SOCKET, "SO_KEEPALIVE"): 1,
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE"): KEEPALIVE_S,
        (socket.IPPROTO_TCP, "TCP_KEEPINTVL"): KEEPALIVE_S,
        (socket.IPPROTO_TCP, "TCP_KEEPCNT"): SILENCE_TIMEOUT_S // KEEPALIVE_S,
        (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT"): SILENCE_TIMEOUT_S * 1000,
    }
    for (level, name), value in options.items():
        if hasattr(socket, name):  # Not all systems have all of them.
            connection.setsockopt(level, getattr(socket, name), value)


def server_tls(certificate: Certificate) -> ssl.SSLContext:
    """Return what a server needs to speak TLS."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    tls.num_tickets = 0  # Connections last; none is resumed.
    certificate.load_into(tls)
    return tls


@cache
def _client_tls() -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    # ``connect`` compares the certificate itself.
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    return tls


def _new_socket(host: str) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setblocking(False)
    return made
