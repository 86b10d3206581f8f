"""Authorization at servers that want OAuth 2.1, by server and user.

The protocol's library finds the authorization server, registers and renews; all its requests go
through the same checked transport as those to the server itself.

Source: https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from pydantic import AnyUrl

from everruns.domain.mcp_servers import McpAccount


class TokenStore(Protocol):
    """Keeps tokens and registrations, encrypted, for as long as they are wanted."""

    async def load(self, key: str) -> str | None:
        """Return what was saved under a key."""
        ...

    async def save(self, key: str, value: str) -> None:
        """Keep a secret text under a key; replaces what was there."""
        ...


@dataclass(frozen=True)
class Consent:
    """What the authorization server sent back with a person's browser.

    Attributes:
        code: The code to exchange for tokens.
        state: The state of the request; it is checked.
        issuer: Who says so, if the server does; it is checked.
    """

    code: str
    state: str | None = None
    issuer: str | None = None


AskConsent = Callable[[str], Awaitable[Consent]]
"""Lets a person open an address, and returns what came back."""


def user_authorization(
    account: McpAccount,
    user: str,
    store: TokenStore,
    ask: AskConsent,
    redirect_url: str,
    client_metadata_url: str | None = None,
) -> httpx2.Auth:
    """Return the authorization of one user at one server.

    Args:
        account: The server.
        user: For whom; tokens of one are never used for another.
        store: Keeps tokens and registrations.
        ask: Asks the user for consent.
        redirect_url: Where the authorization server sends the browser back.
        client_metadata_url: Names this client to servers that know it by an address.
    """
    asked = _Asked(ask)
    return OAuthClientProvider(
        account.url or "",
        OAuthClientMetadata(
            client_name="Everruns",
            redirect_uris=[AnyUrl(redirect_url)],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
        ),
        _Storage(store, _key(account, user)),
        redirect_handler=asked.open,
        callback_handler=asked.answer,
        client_metadata_url=client_metadata_url,
    )


def known_client(
    account: McpAccount, user: str, store: TokenStore, client_id: str, client_secret: str
) -> Awaitable[None]:
    """Keep the registration of a client that the authorization server knows already."""
    information = OAuthClientInformationFull(
        client_id=client_id,
        client_secret=client_secret,
        redirect_uris=None,
        token_endpoint_auth_method="client_secret_basic",  # noqa: S106 - the name of a method
    )
    return _Storage(store, _key(account, user)).set_client_info(information)


def service_authorization(
    account: McpAccount,
    store: TokenStore,
    client_id: str,
    client_secret: str,
    issuer: str,
    scope: str | None = None,
) -> httpx2.Auth:
    """Return the authorization of the deployment itself, by client credentials.

    Args:
        account: The server.
        store: Keeps tokens.
        client_id: The registered client.
        client_secret: Its secret; sent to ``issuer`` alone.
        issuer: The authorization server that knows the client.
        scope: What to ask for.
    """
    storage = _Storage(store, _key(account, f"service:{client_id}"))
    return ClientCredentialsOAuthProvider(
        account.url or "", storage, client_id, client_secret, scope=scope, issuer=issuer
    )


class _Asked:
    """Carries one answer from the step that asks to the step that reads it."""

    def __init__(self, ask: AskConsent) -> None:
        self._ask = ask
        self._consent: Consent | None = None

    async def open(self, url: str) -> None:
        self._consent = await self._ask(url)

    async def answer(self) -> AuthorizationCodeResult:
        consent, self._consent = self._consent, None
        if consent is None:
            raise RuntimeError("consent was read before it was asked for")
        return AuthorizationCodeResult(code=consent.code, state=consent.state, iss=consent.issuer)


class _Storage:
    """A store as the library uses it."""

    def __init__(self, store: TokenStore, key: str) -> None:
        self._store = store
        self._key = key

    async def get_tokens(self) -> OAuthToken | None:
        saved = await self._store.load(f"{self._key}/tokens")
        return OAuthToken.model_validate_json(saved) if saved else None

    async def set_tokens(self, tokens: OAuthToken) -> None:
        await self._store.save(f"{self._key}/tokens", tokens.model_dump_json())

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        saved = await self._store.load(f"{self._key}/client")
        return OAuthClientInformationFull.model_validate_json(saved) if saved else None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        await self._store.save(f"{self._key}/client", client_info.model_dump_json())


def _key(account: McpAccount, user: str) -> str:
    return sha256(f"{account.url}\0{user}".encode()).hexdigest()
