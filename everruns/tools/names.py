"""Looking up the addresses of names, with the system's resolver and in bounded time.

The system's resolver blocks a thread, for half a minute where a name's servers do not answer. Each
purpose has threads of its own, so that names which a model or a page comes up with cannot hold up
the look-ups that everybody needs.
"""

import asyncio
import socket
from collections.abc import Sequence
from functools import partial
from typing import Any

from everruns.tools.threads import Threads, ThreadsExhausted

Address = tuple[socket.AddressFamily, str]


class Names:
    """Looks names up for one purpose.

    Args:
        purpose: Names the threads.
        limit: Look-ups at a time.
        timeout_s: Seconds a look-up may take, its turn included.
    """

    def __init__(self, purpose: str, limit: int, timeout_s: float) -> None:
        self._threads = Threads(f"{purpose}-names", limit, max_abandoned=4 * limit)
        self._timeout_s = timeout_s

    async def addresses(
        self, host: str, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> Sequence[Address]:
        """Return the addresses of a host in the order in which they should be tried.

        Raises:
            OSError: The name has no address, or no answer came in time.
            UnicodeError: No name looks like this one.
        """
        look_up = partial(
            socket.getaddrinfo,
            host,
            None,
            family=family,
            type=socket.SOCK_STREAM,
            flags=socket.AI_ADDRCONFIG,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                answers = await self._threads.run(look_up)
        except (TimeoutError, ThreadsExhausted):
            raise OSError("the servers of the name did not answer in time") from None
        return list(dict.fromkeys((answer[0], _text(answer[4])) for answer in answers))


def _text(address: tuple[Any, ...]) -> str:
    """Return an address as text; a link-local one with its interface."""
    has_scope = len(address) == 4 and address[3]
    return f"{address[0]}%{address[3]}" if has_scope else str(address[0])
