"""Where a server serves, and what it must know of the cluster that it serves on."""

from dataclasses import dataclass
from typing import Protocol

from everruns.errors import Unavailable


@dataclass(frozen=True)
class Place:
    """A cluster on which Ray runs and nothing of an earlier server is left.

    Attributes:
        host: The address that the API listens on.
        port: Its port.
        dashboard: The Ray dashboard's URL, if it was started here.
        logs: The folder of Ray's logs on this machine.
        notes: What the user should know, each a sentence.
    """

    host: str
    port: int
    dashboard: str | None
    logs: str
    notes: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """The HTTP API's base URL, as this machine reaches it."""
        return address_of(self.host, self.port)


class Cluster(Protocol):
    """A cluster for a server: one of its own, or one that is there already."""

    def check(self) -> None:
        """Look, before anything is started, for what would make the start fail.

        Raises:
            EverrunsError: It cannot be served here. The message says what to do.
        """
        ...

    def start(self) -> Place:
        """Start or join Ray, and end what an earlier server left.

        Raises:
            EverrunsError: It cannot be served on. The message says what to do.
        """
        ...

    def problem(self) -> Unavailable | None:
        """Return why the server cannot go on, if it cannot."""
        ...

    def end(self) -> None:
        """End everything that was started; called whether or not ``start`` succeeded."""
        ...


def address_of(host: str, port: int) -> str:
    """Return the base URL of what listens there, as this machine reaches it."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104
    is_bare = ":" in reachable and "[" not in reachable
    return f"http://[{reachable}]:{port}" if is_bare else f"http://{reachable}:{port}"
