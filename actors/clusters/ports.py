"""Ports: finding free ones and claiming them for child processes."""

import atexit
import random
import socket
from collections.abc import Callable
from time import monotonic

from everruns.errors import Unavailable

# Below the range from which systems take ports for outgoing connections.
RANGE = range(20_000, 30_000)
BLOCK = 128
CONNECT_TIMEOUT_S = 5.0
# Ray's own, where it looks for the next free port if it is taken.
DEFAULT_DASHBOARD_PORT = 8265
ANYWHERE = "0.0.0.0"  # noqa: S104 - asked about, not listened on

# What is left of the block that this process claimed last.
_left = range(0)


def check_port_free(host: str, port: int) -> None:
    """Check that a server can listen there.

    Raises:
        Unavailable: The port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise Unavailable(
                f"Cannot listen on {host}:{port}: {reason}. Choose another address with "
                "--host and --port (0 takes a free port)."
            ) from None


def is_port_free(host: str, port: int) -> bool:
    """Tell whether a server can listen there."""
    try:
        check_port_free(host, port)
    except Unavailable:
        return False
    return True


def dashboard_port(wanted: int) -> int | None:
    """Return a port for Ray's dashboard; ``None`` if Ray takes its default or the next free one.

    Ray itself finds the next one, so that servers which start together do not collide.

    Args:
        wanted: The port that is configured; 0 for any.
    """
    if wanted == DEFAULT_DASHBOARD_PORT:
        return None
    try:
        check_port_free("127.0.0.1", wanted)
    except Unavailable:
        return free_port()
    return wanted or free_port()


def free_port() -> int:
    """Return a port that is free on every address and that no other server takes."""
    return free_ports(1)[0]


def free_ports(count: int) -> range:
    """Return consecutive free ports that no other server takes.

    A process claims a whole block of ports by binding its first port, the guard, and keeping it
    bound; the others are free to be listened on. Checking whether they are free is not enough: two
    servers that start together would both find them free.

    Raises:
        Unavailable: No free ports are left.
    """
    global _left  # noqa: PLW0603 - what is claimed belongs to the process
    if len(_left) < count:
        _left = _claim_block(count)
    ports, _left = _left[:count], _left[count:]
    return ports


def _claim_block(count: int) -> range:
    starts = list(range(RANGE.start, RANGE.stop - BLOCK + 1, BLOCK))
    random.shuffle(starts)
    for start in starts:
        guard = socket.socket()
        try:
            # Without SO_REUSEADDR, so that one process alone can bind it.
            guard.bind(("127.0.0.1", start))
        except OSError:
            guard.close()
            continue
        ports = range(start + 1, start + BLOCK)
        if len(ports) >= count and all(is_port_free(ANYWHERE, port) for port in ports):
            atexit.register(guard.close)
            return ports
        guard.close()
    raise Unavailable(f"No {count} consecutive free ports were found. Close some servers.")


def is_listening(address: str, timeout_s: float = CONNECT_TIMEOUT_S) -> bool:
    """Tell whether somebody takes connections at an address such as ``127.0.0.1:8265``.

    Args:
        address: Host and port.
        timeout_s: Seconds that taking one may last.
    """
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout_s):
            return True
    except (OSError, ValueError):
        return False


class Listeners:
    """Tells whether an address takes connections; an answer may be some seconds old.

    Args:
        timeout_s: Seconds that taking one may last.
        remember_s: Seconds for which an answer is kept.
        clock: Returns a time in seconds that never goes back.
    """

    def __init__(
        self, timeout_s: float, remember_s: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._timeout_s = timeout_s
        self._remember_s = remember_s
        self._clock = clock
        self._last: tuple[str, bool, float] | None = None

    def has(self, address: str) -> bool:
        """Tell whether somebody listens at an address; the answer for the last one is kept."""
        if self._last is not None:
            known, listens, until = self._last
            if known == address and self._clock() < until:
                return listens
        listens = is_listening(address, self._timeout_s)
        self._last = address, listens, self._clock() + self._remember_s
        return listens
