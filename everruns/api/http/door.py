"""The door: admit requests by the host they name and the page they come from.

A browser sends requests for any page that asks it to, also to servers on loopback, and shows a page
the answers of every host that its name resolves to. So a request must name one of this server's
hosts, and it must not come from a page of another origin unless a setting allows that origin, which
then gets CORS. Programs send no ``Origin`` and notice nothing.

The door is outermost: its headers are on every answer.

Source: the WHATWG Fetch standard (CORS, ``Origin``); W3C Fetch Metadata (``Sec-Fetch-*``).
"""

from collections.abc import Awaitable, Iterable, Mapping
from functools import lru_cache

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from everruns.api import console
from everruns.api.docs import pages as documentation
from everruns.api.http.errors import error_answer
from everruns.domain.mcp_authorizations import CALLBACK_PATH
from everruns.errors import EverrunsError, HostNotAllowed, InvalidRequest, OriginNotAllowed
from everruns.origins import (
    ANYTHING,
    Host,
    Origin,
    host_name,
    is_host_allowed,
    is_wildcard,
    parse_host,
    parse_origin,
)
from everruns.settings import Settings

Header = tuple[bytes, bytes]

# Headers that are read here or by the routes. If one came twice, a proxy in front and this server
# might each go by a different one.
SINGLE = frozenset(
    {
        b"access-control-request-method",
        b"access-control-request-private-network",
        b"authorization",
        b"content-length",
        b"end-user",
        b"host",
        b"idempotency-key",
        b"if-match",
        b"if-none-match",
        b"last-event-id",
        b"origin",
        b"sec-fetch-dest",
        b"sec-fetch-mode",
        b"sec-fetch-site",
    }
)
OWN_SITES = (None, b"same-origin", b"none")
# Longer than any host or origin; bounds the caches below.
LONGEST_HEADER = 300

SAFETY: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
API_POLICY: Header = (
    b"content-security-policy",
    b"default-src 'none'; frame-ancestors 'none'",
)
SAME_ORIGIN: Header = (b"cross-origin-resource-policy", b"same-origin")
VARY: Header = (b"vary", b"Origin")
EXPOSED: Header = (
    b"access-control-expose-headers",
    b"Allow, ETag, Retry-After, WWW-Authenticate, X-Request-ID",
)
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": (
        "Accept, Authorization, Cache-Control, Content-Type, End-User, Everruns-Change-Reason, "
        "Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Traceparent, X-Org-Id"
    ),
    "Access-Control-Max-Age": "600",
}
PRIVATE_NETWORK = {"Access-Control-Allow-Private-Network": "true"}


@lru_cache(maxsize=1024)
def read_host(header: bytes) -> Host:
    """Parse a ``Host`` header.

    Raises:
        ValueError: It is not a host.
    """
    return parse_host(header.decode("latin-1"))


@lru_cache(maxsize=1024)
def read_origin(header: bytes) -> Origin:
    """Parse an ``Origin`` header.

    Raises:
        ValueError: It is not an origin, or is ``null``.
    """
    return parse_origin(header.decode("latin-1"))


class Door:
    """Admits requests that name this server and come from an allowed page or from none.

    Args:
        app: The application behind the door.
        settings: Which hosts and origins are allowed.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        # After a page was loaded under a name, DNS can point that name at this server. It cannot
        # do so with an IP address, so a server that listens on all of its own takes any.
        self._takes_addresses = is_wildcard(settings.host)
        own = () if self._takes_addresses else (host_name(settings.host),)
        self._hosts = (*own, *settings.allowed_hosts)
        self._origins = frozenset(
            parse_origin(origin) for origin in settings.allowed_origins if origin != ANYTHING
        )
        self._takes_origins = ANYTHING in settings.allowed_origins
        # A cached response for one origin must not be served to another.
        shared = (*SAFETY, VARY) if settings.allowed_origins else SAFETY
        self._documentation_headers = (*shared, SAME_ORIGIN, *documentation.PAGE_HEADERS)
        self._console_headers = (*shared, SAME_ORIGIN, *console.PAGE_HEADERS)
        self._api_headers = (*shared, SAME_ORIGIN, API_POLICY)
        self._cross_origin_headers = (*shared, EXPOSED, API_POLICY)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer, origin = self._app, None
        try:
            headers = single_headers(scope["headers"])
            origin = self._allowed_origin(headers)
            host = self._check_host(headers)
            if origin is None:
                check_page(scope, headers, host)
            elif is_preflight(scope, headers):
                answer = preflight_answer(headers)
        except EverrunsError as error:
            answer = error_answer(error)
        added = self._added_headers(scope["path"], origin)

        def send_with_headers(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *added]
            return send(message)

        await answer(scope, receive, send_with_headers)

    def _added_headers(self, path: str, origin: bytes | None) -> tuple[Header, ...]:
        if origin is not None:
            return (*self._cross_origin_headers, (b"access-control-allow-origin", origin))
        if console.is_console(path):
            return self._console_headers
        is_documentation = documentation.is_documentation(path)
        return self._documentation_headers if is_documentation else self._api_headers

    def _check_host(self, headers: Mapping[bytes, bytes]) -> Host:
        header = headers.get(b"host", b"")
        try:
            host = read_host(header[:LONGEST_HEADER])
        except ValueError:
            raise InvalidRequest("Host: must be one host name or IP address") from None
        if (
            host.is_loopback
            or (host.is_address and self._takes_addresses)
            or is_host_allowed(host.name, self._hosts)
        ):
            return host
        raise HostNotAllowed(
            f"This server does not answer to the name {host.name}. To allow it, add it to the "
            f"setting allowed_hosts: EVERRUNS_ALLOWED_HOSTS={host.name} (separate several with "
            "commas)."
        )

    def _allowed_origin(self, headers: Mapping[bytes, bytes]) -> bytes | None:
        header = headers.get(b"origin")
        if header is None or not (self._origins or self._takes_origins):
            return None
        try:
            origin = read_origin(header[:LONGEST_HEADER])
        except ValueError:
            return None
        return header if self._takes_origins or origin in self._origins else None


def single_headers(headers: Iterable[Header]) -> dict[bytes, bytes]:
    """Return the headers that this server reads.

    Raises:
        InvalidRequest: One of them was sent more than once.
    """
    found = [header for header in headers if header[0] in SINGLE]
    by_name = dict(found)
    if len(by_name) < len(found):
        names = [name.decode() for name, _ in found]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRequest(f"{twice.title()}: was sent more than once")
    return by_name


def check_page(scope: Scope, headers: Mapping[bytes, bytes], host: Host) -> None:
    """Check that a request comes from one of this server's own pages or from none.

    Raises:
        OriginNotAllowed: It comes from another page.
    """
    header = headers.get(b"origin")
    if header is not None and not _is_own(header, host):
        shown = header[:LONGEST_HEADER].decode("latin-1")
        raise OriginNotAllowed(
            f"Pages of {shown} may not use this server. To allow them, add the origin to the "
            f"setting allowed_origins: EVERRUNS_ALLOWED_ORIGINS={shown} (separate several with "
            "commas)."
            if shown != "null"
            else "Pages without an origin of their own (Origin: null) may not use this server."
        )
    if headers.get(b"sec-fetch-site") not in OWN_SITES and not opens_page(scope, headers):
        raise OriginNotAllowed(
            "Pages of other sites may not use this server. To allow one, add its origin to the "
            "setting allowed_origins (EVERRUNS_ALLOWED_ORIGINS) and have it use fetch or "
            "EventSource, which send the origin."
        )


def _is_own(header: bytes, host: Host) -> bool:
    try:
        return read_origin(header[:LONGEST_HEADER]).is_at(host)
    except ValueError:
        return False


def opens_page(scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether a user follows a link to a page of this server, which no other page can read.

    Those are the console, the documentation, and the page to which authorization servers send
    people back.
    """
    return (
        scope["method"] in ("GET", "HEAD")
        and (
            console.is_console(scope["path"])
            or documentation.is_documentation(scope["path"])
            or scope["path"] == CALLBACK_PATH
        )
        and headers.get(b"sec-fetch-mode") == b"navigate"
        and headers.get(b"sec-fetch-dest") == b"document"
    )


def is_preflight(scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether this is a CORS preflight."""
    return scope["method"] == "OPTIONS" and b"access-control-request-method" in headers


def preflight_answer(headers: Mapping[bytes, bytes]) -> Response:
    """Return the preflight's response for an allowed origin."""
    asked = b"access-control-request-private-network" in headers
    return Response(status_code=204, headers=PREFLIGHT | (PRIVATE_NETWORK if asked else {}))
