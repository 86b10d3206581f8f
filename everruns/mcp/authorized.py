"""Requests with an access token, which is renewed when the server takes it no more.

Source: https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization (RFC 6750).
"""

from collections.abc import Awaitable, Callable

import httpx2
from mcp.client.auth.utils import extract_field_from_www_auth, extract_scope_from_www_auth
from pydantic import SecretStr

from everruns.domain.mcp_authorizations import Access
from everruns.domain.mcp_servers import McpAccount
from everruns.mcp.failures import McpFailure, NotAuthorized

MAX_SCOPE_CHARACTERS = 1000

Obtain = Callable[[SecretStr | None, str | None], Awaitable[Access]]
"""Returns access, given the token that was rejected and the scopes that the request lacked."""


class AuthorizedTransport(httpx2.AsyncBaseTransport):
    """Adds an access token to the requests to one server, and to no other.

    Args:
        inner: Sends requests.
        account: The server.
        obtain: Returns access.
        learn: Told of each token, which the server may repeat.

    Attributes:
        refusal: Set once the server wants a person's consent.
    """

    def __init__(
        self,
        inner: httpx2.AsyncBaseTransport,
        account: McpAccount,
        obtain: Obtain,
        learn: Callable[[str], None],
    ) -> None:
        self._inner = inner
        self._account = account
        self._origin = _origin(httpx2.URL(account.url or ""))
        self._obtain = obtain
        self._learn = learn
        self.refusal: NotAuthorized | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; once more if its token has become invalid.

        Raises:
            NotAuthorized: A person has to consent first.
            McpFailure: No token can be had.
        """
        if _origin(request.url) != self._origin:
            return await self._inner.handle_async_request(request)
        try:
            return await self._send(request)
        except NotAuthorized as refusal:
            self.refusal = refusal
            raise

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        access = await self._obtain(None, None)
        response = await self._send_with(access, request)
        needed = _needed(response)
        if response.status_code != 401 and needed is None:
            return response
        await response.aclose()
        is_service = self._account.acts_as == "service"
        if needed is not None and not is_service:
            raise NotAuthorized(self._account.name, needed)
        access = await self._obtain(access.token, needed)
        response = await self._send_with(access, request)
        if response.status_code != 401 and _needed(response) is None:
            return response
        await response.aclose()
        if is_service:
            raise McpFailure(
                f"The MCP server {self._account.name} takes no token of this deployment: check "
                "the client and the scopes of its entry."
            )
        raise NotAuthorized(self._account.name, _needed(response))

    async def _send_with(self, access: Access, request: httpx2.Request) -> httpx2.Response:
        token = access.token.get_secret_value()
        self._learn(token)
        request.headers["authorization"] = f"Bearer {token}"
        return await self._inner.handle_async_request(request)


def _needed(response: httpx2.Response) -> str | None:
    """Return the scopes that a request lacked; ``None`` if it lacked none."""
    if response.status_code != 403:
        return None
    if extract_field_from_www_auth(response, "error") != "insufficient_scope":
        return None
    return (extract_scope_from_www_auth(response) or "")[:MAX_SCOPE_CHARACTERS]


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
