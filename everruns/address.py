"""Where a process takes calls from other processes.

Registry and runtime pass addresses on; what is in them is read by ``actors.calls`` alone.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Endpoint:
    """Where a process takes calls from other nodes.

    Attributes:
        host: The IP address of its node.
        port: Its port there.
        fingerprint: The SHA-256 of its certificate, by which callers know it.
    """

    host: str
    port: int
    fingerprint: bytes


@dataclass(frozen=True)
class Address:
    """Where one life of a process takes calls, and the secret that admits callers.

    Attributes:
        path: The file of its socket, for callers on the same node.
        secret: The secret that both ends of a connection prove to know; new for each life.
        node: The node, by Ray's name for it; empty where there is no Ray.
        endpoint: For callers on other nodes; ``None`` if it does not listen on the network.
    """

    path: Path
    secret: bytes = field(repr=False)
    node: str = ""
    endpoint: Endpoint | None = None


OwnAddress = Callable[[bool], Awaitable[Address | None]]
"""Returns the address of this process. Given ``True``, the process listens on the network too."""

MeetHost = Callable[[str, Address], None]
"""Takes note of the address of a session host, by the host's name."""
