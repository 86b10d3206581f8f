"""What a server offers, from the server or from a little while ago."""

import asyncio
from collections.abc import Callable

from mcp.client import Client

from everruns.mcp.failures import CannotConnect, NotDelivered, OutcomeUnknown
from everruns.mcp.limits import Limits
from everruns.mcp.link import Link
from everruns.mcp.listing import list_tools
from everruns.mcp.offer import Listing


class CurrentListing:
    """The list of one connection, read when it is wanted and kept for as long as it holds.

    Args:
        link: The connection's link.
        limits: Bounds.
        retire: Called when the server is too slow, so that the next one who asks connects anew.
    """

    def __init__(self, link: Link, limits: Limits, retire: Callable[[], None]) -> None:
        self._link = link
        self._limits = limits
        self._retire = retire
        self._listing: Listing | None = None
        self._holds_until = 0.0
        self._reading = asyncio.Lock()

    async def read(self, client: Client, server: str) -> Listing:
        """Return the list, which is read anew if it holds no longer.

        Args:
            client: The link's client.
            server: The server's name for whoever asks.

        Raises:
            NotAuthorized: A person has to consent first.
            McpFailure: It cannot be listed.
        """
        async with self._reading:
            if self._listing is None or _now() > self._holds_until:
                self._listing = await self._list(client, server)
            return self._listing

    async def read_once(self, client: Client, server: str) -> None:
        """Make sure that the list was read, however long ago; see ``read``."""
        if self._listing is None:
            async with self._reading:
                if self._listing is None:
                    self._listing = await self._list(client, server)

    def expire(self) -> None:
        """Read the list anew when it is wanted the next time."""
        self._holds_until = 0.0

    async def _list(self, client: Client, server: str) -> Listing:
        self._link.left_out.clear()
        try:
            async with asyncio.timeout(self._limits.list_s):
                with self._link.complaints(server):
                    listing, ttl_s = await list_tools(client, self._link.left_out)
        except TimeoutError:
            self._retire()
            raise CannotConnect(
                f"The MCP server {server} did not list its tools within "
                f"{self._limits.list_s:g} seconds."
            ) from None
        except OutcomeUnknown as failure:
            # Nothing was called: whoever wanted to call can do so on a new connection.
            raise NotDelivered(
                f"The MCP server {server} could not be asked for its tools: {failure.what}."
            ) from None
        ttl_s = self._limits.list_ttl_s if ttl_s is None else min(ttl_s, self._limits.list_ttl_s)
        self._holds_until = _now() + max(ttl_s, self._limits.least_list_ttl_s)
        return listing


def _now() -> float:
    return asyncio.get_running_loop().time()
