"""Finding out who authorizes requests to a server, and for what.

Source: https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization (RFC 9728,
RFC 8414).
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2
from mcp.client.auth import OAuthFlowError
from mcp.client.auth.utils import (
    build_oauth_authorization_server_metadata_discovery_urls,
    build_protected_resource_metadata_discovery_urls,
    create_oauth_metadata_request,
    extract_resource_metadata_from_www_auth,
    extract_scope_from_www_auth,
    get_client_metadata_scopes,
    handle_auth_metadata_response,
    handle_protected_resource_response,
    issuers_match,
    union_scopes,
    validate_metadata_issuer,
)
from mcp.shared.auth import OAuthMetadata, ProtectedResourceMetadata
from mcp.shared.auth_utils import check_resource_allowed, resource_url_from_server_url
from mcp_types import LATEST_PROTOCOL_VERSION

from everruns.mcp.oauth.http import Http
from everruns.mcp.oauth.records import Authority, OAuthServer

GRANT_TYPES = ["authorization_code", "refresh_token"]
_PROBE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "server/discover",
    "params": {
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": LATEST_PROTOCOL_VERSION,
            "io.modelcontextprotocol/clientInfo": {"name": "everruns", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    },
}
_PROBE_HEADERS = {
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": LATEST_PROTOCOL_VERSION,
    "Mcp-Method": "server/discover",
}


@dataclass(frozen=True)
class Found:
    """Who authorizes requests to a server.

    Attributes:
        authority: The authorization server.
        metadata: All that it says about itself.
        resource: What tokens are asked for (RFC 8707), if the server says it.
        scope: What to ask for, if anything is known.
    """

    authority: Authority
    metadata: OAuthMetadata
    resource: str | None
    scope: str | None


async def discover(http: Http, server: OAuthServer, needed: str | None) -> Found:
    """Find out who authorizes requests to a server.

    Args:
        http: Sends the requests.
        server: The server.
        needed: Scopes that a call has turned out to need, besides all others.

    Raises:
        McpServerUnavailable: It cannot be found out; the message says why.
    """
    challenge = await _challenge(http, server)
    resource = await _resource(http, server, extract_resource_metadata_from_www_auth(challenge))
    issuer = _issuer(http, server, resource)
    metadata = await _metadata(http, server, issuer)
    if server.scopes is not None:
        scope = " ".join(server.scopes) or None
    else:
        named = extract_scope_from_www_auth(challenge)
        scope = get_client_metadata_scopes(named, resource, metadata, GRANT_TYPES)
    return Found(
        Authority(
            issuer=str(metadata.issuer),
            authorization_endpoint=http.checked(str(metadata.authorization_endpoint)),
            token_endpoint=http.checked(str(metadata.token_endpoint)),
            sends_issuer=bool(metadata.authorization_response_iss_parameter_supported),
        ),
        metadata,
        str(resource.resource) if resource else None,
        union_scopes(scope, needed),
    )


async def _challenge(http: Http, server: OAuthServer) -> httpx2.Response:
    """Return what the server answers to a request without authorization."""
    url = http.checked(server.url)
    return await http.send(httpx2.Request("POST", url, json=_PROBE, headers=_PROBE_HEADERS))


async def _resource(
    http: Http, server: OAuthServer, named: str | None
) -> ProtectedResourceMetadata | None:
    failed = False
    for url in build_protected_resource_metadata_discovery_urls(named, server.url):
        response = await http.send(create_oauth_metadata_request(url))
        failed = failed or response.status_code >= 500 or response.status_code == 429
        found = await handle_protected_resource_response(response)
        if found is None:
            continue
        wanted = resource_url_from_server_url(server.url)
        if not check_resource_allowed(wanted, str(found.resource)):
            raise http.failure("its metadata is about another resource")
        return found
    if failed:
        # An error says nothing about whether there is any, so older rules must not be tried.
        raise http.failure("its metadata cannot be read at the moment")
    return None


def _issuer(
    http: Http, server: OAuthServer, resource: ProtectedResourceMetadata | None
) -> str | None:
    """Return the authorization server to use; ``None`` if it is the server itself, as it once was.

    Raises:
        McpServerUnavailable: It is not the one that the entry names.
    """
    named = [str(url) for url in resource.authorization_servers] if resource else []
    if server.issuer is None:
        return named[0] if named else None
    if not named:
        return server.issuer
    for issuer in named:
        if issuers_match(issuer, server.issuer):
            return issuer
    raise http.failure("it names another authorization server than the issuer of its entry")


async def _metadata(http: Http, server: OAuthServer, issuer: str | None) -> OAuthMetadata:
    for url in build_oauth_authorization_server_metadata_discovery_urls(issuer, server.url):
        response = await http.send(create_oauth_metadata_request(url))
        may_be_elsewhere, metadata = await handle_auth_metadata_response(response)
        if metadata is not None:
            _check_metadata(http, metadata, issuer or _origin(server.url))
            return metadata
        if not may_be_elsewhere:
            raise http.failure("the metadata of its authorization server cannot be read")
    if issuer is not None:
        raise http.failure("its authorization server publishes no metadata")
    # Source: the revision 2025-03-26, "Fallbacks for servers without metadata discovery".
    origin = _origin(server.url)
    return OAuthMetadata.model_validate(
        {
            "issuer": origin,
            "authorization_endpoint": f"{origin}/authorize",
            "token_endpoint": f"{origin}/token",
            "registration_endpoint": f"{origin}/register",
        }
    )


def _check_metadata(http: Http, metadata: OAuthMetadata, issuer: str) -> None:
    is_same = issuers_match(str(metadata.issuer), issuer)
    try:
        validate_metadata_issuer(metadata, str(metadata.issuer) if is_same else issuer)
    except OAuthFlowError:
        raise http.failure("its authorization server calls itself by another name") from None
    methods = metadata.code_challenge_methods_supported
    if methods is not None and "S256" not in methods:
        raise http.failure("its authorization server does not know PKCE with S256")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
