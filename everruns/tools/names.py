"""DNS lookups with the system's resolver, in bounded time.

The system's resolver blocks a thread, for half a minute if a name's servers do not answer. Each
purpose has its own threads, so that names chosen by a model or a page cannot block the lookups that
everything depends on.
"""

import asyncio
import socket
from collections.abc import Sequence
from functools import partial
from typing import Any

from everruns.tools.threads import Threads, ThreadsExhausted

Address = tuple[socket.AddressFamily, str]


class Names:
    """Resolves names for one purpose.

    Args:
        purpose: Names the threads.
        limit: Concurrent lookups.
        timeout_s: Seconds that a lookup may take, including the time in the queue.
    """

    def __init__(self, purpose: str, limit: int, timeout_s: float) -> None:
        self._threads = Threads(f"{purpose}-names", limit, max_abandoned=4 * limit)
        self._timeout_s = timeout_s

    async def addresses(
        self, host: str, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> Sequence[Address]:
        """Return the addresses of a host in the order in which they should be tried.

        Raises:
            OSError: The name has no address, or the lookup timed out.
            UnicodeError: The name is malformed.
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
            raise OSError("the name servers did not answer in time") from None
        return list(dict.fromkeys((answer[0], _text(answer[4])) for answer in answers))


def _text(address: tuple[Any, ...]) -> str:
    """Return an address as text; a link-local one with its interface."""
    has_scope = len(address) == 4 and address[3]
    return f"{address[0]}%{address[3]}" if has_scope else str(address[0])
