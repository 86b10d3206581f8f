"""Under which name this deployment asks an authorization server, and how it proves that name."""

from urllib.parse import quote, urlsplit

import httpx2
from mcp.client.auth import OAuthRegistrationError
from mcp.client.auth.oauth2 import check_registration_usable
from mcp.client.auth.utils import (
    create_client_registration_request,
    handle_registration_response,
    is_valid_client_metadata_url,
    issuers_match,
    should_use_client_metadata_url,
)
from mcp.shared.auth import OAuthClientMetadata, OAuthMetadata
from pydantic import AnyUrl

from everruns.mcp.oauth.discovery import GRANT_TYPES, Found
from everruns.mcp.oauth.http import Http
from everruns.mcp.oauth.records import Client, OAuthServer

CLIENT_NAME = "Everruns"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def metadata_of_client(redirect_url: str, scope: str | None = None) -> OAuthClientMetadata:
    """Return what authorization servers are told of this deployment."""
    is_local = urlsplit(redirect_url).hostname in _LOOPBACK
    return OAuthClientMetadata(
        client_name=CLIENT_NAME,
        redirect_uris=[AnyUrl(redirect_url)],
        grant_types=list(GRANT_TYPES),
        response_types=["code"],
        application_type="native" if is_local else "web",
        scope=scope,
    )


async def client_at(
    http: Http,
    server: OAuthServer,
    found: Found,
    known: Client | None,
    redirect_url: str,
    client_metadata_url: str | None,
) -> Client:
    """Return the client to ask with: the configured one, an address, the known one or a new one.

    Args:
        http: Sends the requests.
        server: The server; may name a client.
        found: The authorization server.
        known: The client that was registered for this server before.
        redirect_url: Where browsers come back.
        client_metadata_url: Where this deployment describes itself to authorization servers.

    Raises:
        McpServerUnavailable: The authorization server registers nobody.
    """
    issuer = found.authority.issuer
    if server.client_id is not None:
        return configured_client(server, found.metadata)
    if is_valid_client_metadata_url(client_metadata_url) and should_use_client_metadata_url(
        found.metadata, client_metadata_url
    ):
        return Client(client_id=client_metadata_url or "", method="none", issuer=issuer)
    if (
        known is not None
        and known.redirect_url == redirect_url
        and issuers_match(known.issuer or "", issuer)
    ):
        return known
    return await _registered(http, found, redirect_url)


def configured_client(server: OAuthServer, metadata: OAuthMetadata) -> Client:
    """Return the client that a server's entry names."""
    methods = metadata.token_endpoint_auth_methods_supported
    method = "none"
    if server.client_secret is not None:
        takes_basic = methods is None or "client_secret_basic" in methods
        takes_post = methods is not None and "client_secret_post" in methods
        method = "client_secret_post" if takes_post and not takes_basic else "client_secret_basic"
    return Client(
        client_id=server.client_id or "",
        client_secret=server.client_secret,
        method=method,
        issuer=str(metadata.issuer),
    )


async def _registered(http: Http, found: Found, redirect_url: str) -> Client:
    if found.metadata.registration_endpoint is None:
        raise http.failure(
            "its authorization server registers no clients by itself. Register one there, with "
            f"the redirect address {redirect_url}, and give its client_id in auth"
        )
    http.checked(str(found.metadata.registration_endpoint))
    wanted = metadata_of_client(redirect_url, found.scope)
    request = create_client_registration_request(found.metadata, wanted, found.authority.issuer)
    response = await http.send(request)
    try:
        registered = await handle_registration_response(response)
        check_registration_usable(registered)
    except OAuthRegistrationError:
        raise http.failure(
            f"its authorization server refused to register a client (HTTP {response.status_code})"
        ) from None
    return Client(
        client_id=registered.client_id,
        client_secret=registered.client_secret,
        method=registered.token_endpoint_auth_method,
        issuer=found.authority.issuer,
        redirect_url=redirect_url,
    )


def token_request(url: str, client: Client, form: dict[str, str]) -> httpx2.Request:
    """Return a request to a token endpoint that proves who sends it.

    Source: RFC 6749, section 2.3.1.
    """
    form = {**form, "client_id": client.client_id}
    headers: dict[str, str] = {}
    auth: httpx2.BasicAuth | None = None
    if client.client_secret is not None:
        if client.method == "client_secret_basic":
            auth = httpx2.BasicAuth(
                quote(client.client_id, safe=""), quote(client.client_secret, safe="")
            )
        elif client.method == "client_secret_post":
            form["client_secret"] = client.client_secret
    request = httpx2.Request("POST", url, data=form, headers=headers)
    return next(auth.auth_flow(request)) if auth else request
