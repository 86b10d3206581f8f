"""The steps of an authorization, each of which begins with what the one before has kept.

Importing this module loads the protocol's library, which takes a second.

Source: https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization (OAuth 2.1,
RFC 7636, RFC 8707, RFC 9207).
"""

import secrets
from typing import Any, cast
from urllib.parse import urlencode

import httpx2
import orjson
from mcp.client.auth import PKCEParameters
from mcp.client.auth.utils import issuers_match
from mcp.shared.auth import OAuthToken
from pydantic import ValidationError

from everruns.ids import now_ms
from everruns.mcp.oauth.clients import client_at, configured_client, token_request
from everruns.mcp.oauth.discovery import discover
from everruns.mcp.oauth.failures import Begun, Refused, Returned
from everruns.mcp.oauth.http import Http
from everruns.mcp.oauth.records import Authority, Client, Granted, OAuthServer, Pending

MAX_TOKEN_CHARACTERS = 8 * 1024
MAX_URL_CHARACTERS = 6 * 1024
# So long before its end, or for a tenth of its life if that is shorter, a token is renewed.
MARGIN_S = 60
# After these the same request cannot succeed any more (RFC 6749, section 5.2).
_FINAL = {"invalid_grant", "invalid_client", "unauthorized_client", "invalid_scope"}


async def begin(
    http: Http,
    server: OAuthServer,
    known: Client | None,
    redirect_url: str,
    client_metadata_url: str | None,
    needed: str | None,
) -> Begun:
    """Return the address at which a person consents, and what is needed when the person is back.

    Args:
        http: Sends the requests.
        server: The server.
        known: The client that was registered for it before.
        redirect_url: Where the browser comes back.
        client_metadata_url: Where this deployment describes itself.
        needed: Scopes that a call has turned out to need.

    Raises:
        McpServerUnavailable: Nobody can be asked; the message says why.
    """
    found = await discover(http, server, needed)
    client = await client_at(http, server, found, known, redirect_url, client_metadata_url)
    proof = PKCEParameters.generate()
    state = secrets.token_urlsafe(32)
    query = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": redirect_url,
        "state": state,
        "code_challenge": proof.code_challenge,
        "code_challenge_method": "S256",
        **({"resource": found.resource} if found.resource else {}),
        **({"scope": found.scope} if found.scope else {}),
    }
    if "offline_access" in (found.scope or "").split():
        # Source: OpenID Connect Core 1.0, section 11.
        query["prompt"] = "consent"
    endpoint = found.authority.authorization_endpoint
    url = f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"
    if len(url) > MAX_URL_CHARACTERS:
        raise http.failure("the address at which people consent is too long")
    pending = Pending(
        client=client,
        authority=found.authority,
        resource=found.resource,
        scope=found.scope,
        verifier=proof.code_verifier,
        redirect_url=redirect_url,
    )
    return Begun(url, state, pending)


def check_issuer(http: Http, pending: Pending, issuer: str | None) -> None:
    """Check who says that a person has consented or declined (RFC 9207).

    Raises:
        McpServerUnavailable: It is another authorization server than the one that was asked.
    """
    if issuer is None and pending.authority.sends_issuer:
        raise http.failure("the answer does not say which authorization server it is from")
    if issuer is not None and issuer != pending.authority.issuer:
        raise http.failure("the answer is from another authorization server")


async def finish(http: Http, pending: Pending, returned: Returned) -> Granted:
    """Exchange the code with which a person came back for tokens.

    Raises:
        McpServerUnavailable: There are none; the message says why.
        Refused: The authorization server does not take the code.
    """
    check_issuer(http, pending, returned.issuer)
    form = {
        "grant_type": "authorization_code",
        "code": returned.code,
        "redirect_uri": pending.redirect_url,
        "code_verifier": pending.verifier,
        **({"resource": pending.resource} if pending.resource else {}),
    }
    return await _granted(
        http, pending.client, pending.authority, form, pending.resource, pending.scope, None
    )


async def renew(http: Http, before: Granted) -> Granted:
    """Return new tokens for old ones that have a refresh token.

    Raises:
        McpServerUnavailable: The authorization server cannot be asked now.
        Refused: It takes the refresh token no more.
    """
    form = {
        "grant_type": "refresh_token",
        "refresh_token": before.refresh_token or "",
        **({"resource": before.resource} if before.resource else {}),
    }
    return await _granted(
        http,
        before.client,
        before.authority,
        form,
        before.resource,
        before.scope,
        before.refresh_token,
    )


async def for_service(http: Http, server: OAuthServer, needed: str | None) -> Granted:
    """Return tokens for the deployment's own credentials (RFC 6749, section 4.4).

    Raises:
        McpServerUnavailable: There are none; the message says why.
        Refused: The authorization server does not take the credentials.
    """
    found = await discover(http, server, needed)
    if server.issuer is None or not issuers_match(found.authority.issuer, server.issuer):
        raise http.failure("its authorization server is not the issuer of its entry")
    # Without a person there is nobody whose absence refresh tokens would bridge.
    scope = found.scope if server.scopes is not None or needed else _without_offline(found.scope)
    form = {
        "grant_type": "client_credentials",
        **({"resource": found.resource} if found.resource else {}),
        **({"scope": scope} if scope else {}),
    }
    client = configured_client(server, found.metadata)
    return await _granted(http, client, found.authority, form, found.resource, scope, None)


def _without_offline(scope: str | None) -> str | None:
    kept = [one for one in (scope or "").split() if one != "offline_access"]
    return " ".join(kept) or None


async def _granted(
    http: Http,
    client: Client,
    authority: Authority,
    form: dict[str, str],
    resource: str | None,
    scope: str | None,
    refresh_token: str | None,
) -> Granted:
    asked_ms = now_ms()
    response = await http.send(token_request(authority.token_endpoint, client, form))
    tokens = _tokens(http, response)
    life_s = tokens.expires_in
    margin_s = 0 if life_s is None else min(MARGIN_S, life_s / 10)
    return Granted(
        client=client,
        authority=authority,
        resource=resource,
        # What is not said is as it was (RFC 6749, sections 5.1 and 6).
        scope=tokens.scope or scope,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token or refresh_token,
        renew_ms=None if life_s is None else asked_ms + round((life_s - margin_s) * 1000),
    )


def _tokens(http: Http, response: httpx2.Response) -> OAuthToken:
    if response.status_code not in {200, 201}:
        error = _error_code(response)
        if error in _FINAL:
            raise Refused(error)
        raise http.failure(
            f"its authorization server issued no token (HTTP {response.status_code})"
        )
    try:
        tokens = OAuthToken.model_validate_json(response.content)
    except ValidationError:
        raise http.failure("its authorization server issued an unreadable token") from None
    sizes = [len(token) for token in (tokens.access_token, tokens.refresh_token or "")]
    token = tokens.access_token
    if not token or max(sizes) > MAX_TOKEN_CHARACTERS or not _fits_header(token):
        raise http.failure("its authorization server issued a token that cannot be used")
    return tokens


def _fits_header(token: str) -> bool:
    return token.isascii() and token.isprintable() and " " not in token


def _error_code(response: httpx2.Response) -> str | None:
    try:
        said: Any = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return None
    error = cast("dict[str, Any]", said).get("error") if isinstance(said, dict) else None
    return error if isinstance(error, str) else None
