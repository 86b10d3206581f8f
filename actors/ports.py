"""Ports: which are free."""

import random
import socket

from everruns.errors import Unavailable

# Below the range from which systems take ports for outgoing connections.
RANGE = range(20_000, 30_000)
TRIES = 50


def check_port_free(host: str, port: int) -> None:
    """Return when a server could listen there.

    Raises:
        Unavailable: The port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Unavailable(
                f"Cannot listen on {host}:{port}: {error.strerror}. Choose another address with "
                "--host and --port (0 takes a free port)."
            ) from None


def free_port() -> int:
    """Return a port that is free on every address now."""
    return free_ports(1)[0]


def free_ports(count: int) -> range:
    """Return so many consecutive ports that are free on every address now.

    Raises:
        Unavailable: None were found.
    """
    for _ in range(TRIES):
        first = random.randrange(RANGE.start, RANGE.stop - count)  # noqa: S311
        candidates = range(first, first + count)
        if all(map(_is_free, candidates)):
            return candidates
    raise Unavailable(f"No {count} consecutive free ports were found. Close some servers.")


def _is_free(port: int) -> bool:
    try:
        check_port_free("0.0.0.0", port)  # noqa: S104
    except Unavailable:
        return False
    return True
