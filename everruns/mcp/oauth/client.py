"""Authorization as the registry uses it: each step within a time limit, and loaded when needed."""

import asyncio
import importlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import ModuleType

from everruns.domain.mcp_authorizations import CALLBACK_PATH, CLIENT_PATH
from everruns.errors import Conflict, McpServerUnavailable
from everruns.mcp.oauth.failures import Begun, Returned
from everruns.mcp.oauth.http import Http, checked_http
from everruns.mcp.oauth.records import Client, Granted, OAuthServer, Pending

STEP_TIMEOUT_S = 20.0
_MODULE = "everruns.mcp.oauth.flow"


class OAuthClient:
    """This deployment as a client of authorization servers.

    Args:
        allow_private: Whether loopback and private networks are allowed.
        redirect_url: Where people's browsers come back; without it nobody can be asked.
        client_metadata_url: Where this deployment describes itself, if authorization servers can
            reach it.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        redirect_url: str | None = None,
        client_metadata_url: str | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._redirect_url = redirect_url
        self._client_metadata_url = client_metadata_url
        self._module: ModuleType | None = None

    @classmethod
    def at(cls, public_url: str | None, *, allow_private: bool) -> "OAuthClient":
        """Return the client of a deployment that browsers reach at an address."""
        if public_url is None:
            return cls(allow_private=allow_private)
        return cls(
            allow_private=allow_private,
            redirect_url=public_url + CALLBACK_PATH,
            client_metadata_url=public_url + CLIENT_PATH,
        )

    async def begin(self, server: OAuthServer, known: Client | None, needed: str | None) -> Begun:
        """Return the address at which a person consents, and what is needed afterwards.

        Args:
            server: The server.
            known: The client that was registered for it before.
            needed: Scopes that a call has turned out to need.

        Raises:
            Conflict: The deployment does not know its own address.
            McpServerUnavailable: Nobody can be asked; the message says why.
        """
        if self._redirect_url is None:
            raise Conflict(
                "This server does not know the address at which browsers reach it, so nobody can "
                "come back from a page of consent. Set public_url (EVERRUNS_PUBLIC_URL)."
            )
        module = await self._loaded()
        async with self._http(server.name) as http:
            return await module.begin(
                http, server, known, self._redirect_url, self._client_metadata_url, needed
            )

    async def check_issuer(self, server: str, pending: Pending, issuer: str | None) -> None:
        """Check who says that a person has declined.

        Raises:
            McpServerUnavailable: It is another authorization server than the one that was asked.
        """
        module = await self._loaded()
        async with self._http(server) as http:
            module.check_issuer(http, pending, issuer)

    async def finish(self, server: str, pending: Pending, returned: Returned) -> Granted:
        """Exchange the code with which a person came back for tokens.

        Raises:
            McpServerUnavailable: There are none; the message says why.
            Refused: The authorization server does not take the code.
        """
        module = await self._loaded()
        async with self._http(server) as http:
            return await module.finish(http, pending, returned)

    async def renew(self, server: str, before: Granted) -> Granted:
        """Return new tokens for old ones that have a refresh token.

        Raises:
            McpServerUnavailable: The authorization server cannot be asked now.
            Refused: It takes the refresh token no more.
        """
        module = await self._loaded()
        async with self._http(server) as http:
            return await module.renew(http, before)

    async def for_service(self, server: OAuthServer, needed: str | None) -> Granted:
        """Return tokens for the credentials in a server's entry.

        Raises:
            McpServerUnavailable: There are none; the message says why.
            Refused: The authorization server does not take the credentials.
        """
        module = await self._loaded()
        async with self._http(server.name) as http:
            return await module.for_service(http, server, needed)

    async def _loaded(self) -> ModuleType:
        if self._module is None:
            # In a thread, because it takes a second, and the loop serves everybody.
            self._module = await asyncio.to_thread(importlib.import_module, _MODULE)
        return self._module

    @asynccontextmanager
    async def _http(self, server: str) -> AsyncGenerator[Http]:
        try:
            async with (
                asyncio.timeout(STEP_TIMEOUT_S),
                checked_http(server, allow_private=self._allow_private) as http,
            ):
                yield http
        except TimeoutError:
            raise McpServerUnavailable(
                f"The MCP server {server} cannot be authorized: its authorization server did not "
                f"answer within {STEP_TIMEOUT_S:g} seconds."
            ) from None
