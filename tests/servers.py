"""A server as small as most tests can do with: each process takes a second of CPU to start."""

from contextlib import AbstractContextManager
from pathlib import Path

from bench.server import Server, running_server

SMALL = {
    "EVERRUNS_DEMONSTRATION": "false",
    "EVERRUNS_WARM_SESSION_ACTORS": "1",
    "EVERRUNS_MAX_SESSION_ACTORS": "2",
}


def small_server(
    port: int = 0, *, folder: Path | None = None, **environment: str
) -> AbstractContextManager[Server]:
    """Start a small server on a data directory of its own and stop it afterwards.

    Args:
        port: Of the API; 0 takes a free one.
        folder: The working folder to start it in, if not this process's.
        environment: ``EVERRUNS_*`` variables to add.
    """
    return running_server(port, folder=folder, **{**SMALL, **environment})
