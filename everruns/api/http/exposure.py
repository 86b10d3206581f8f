"""Whether a request that showed no credential may come from another machine.

A server on loopback that requires no API keys serves the people of its own machine, and they may
see everything. A reverse proxy in front of it lets others in. It says so in its headers, or passes
on the host name that they used, or the origin of their page. One that does none of this cannot be
told from a program on this machine.

Source: RFC 7239 (``Forwarded``), RFC 9110 (``Via``).
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.types import Scope

from everruns.api.http.door import read_host
from everruns.origins import parse_host
from everruns.settings import Settings

PROXY_HEADERS = frozenset({b"forwarded", b"via", b"x-real-ip", b"true-client-ip"})
PROXY_PREFIXES = (b"x-forwarded-", b"cf-")
REMEDY = (
    "Start the server with auth=api_keys and send a key, or ask on the server's own machine, at "
    "127.0.0.1 and without a proxy."
)


def find_exposure(scope: Scope, settings: Settings) -> str | None:
    """Return why the sender of a request may be on another machine and have shown no credential.

    Args:
        scope: A request that the door has let in.
        settings: The deployment's settings.

    Returns:
        The reason, as the end of a sentence; ``None`` if the deployment requires API keys, or the
        request was made on this machine as far as can be told.
    """
    if settings.auth != "none":
        return None
    return _of_deployment(settings) or _of_request(scope["headers"])


def _of_deployment(settings: Settings) -> str | None:
    if settings.is_open:
        return f"it listens on {settings.host}"
    if settings.public_url is not None and not _is_here(settings.public_url):
        return f"browsers reach it at {settings.public_url}"
    return None


def _of_request(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        if name in PROXY_HEADERS or name.startswith(PROXY_PREFIXES):
            return f"this request came through a proxy, which has added {name.decode().title()}"
        if name == b"host" and not read_host(value).is_loopback:
            return f"this request was sent to {read_host(value).name}"
        if name == b"origin" and not _is_here(value.decode("latin-1")):
            return "this request was sent by a page of another machine"
    return None


def _is_here(url: str) -> bool:
    """Tell whether an address can only mean the machine that uses it."""
    try:
        return parse_host(urlsplit(url).netloc).is_loopback
    except ValueError:
        return False
