"""The choice of the proxy for model calls.

Prompts and keys go through a proxy only on purpose: the proxies in the environment are used only if
``model_proxy`` says so. Servers on this machine are never reached through a proxy.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import structlog
from pydantic import SecretStr

ENVIRONMENT = "environment"

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class UnusableProxy(Exception):
    """The proxy for a server is not an HTTP proxy."""


class Proxies:
    """A deployment's rule for proxies.

    Args:
        proxy: The URL of an HTTP proxy, which may hold a password; ``environment`` for what
            ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` say; ``None`` for none.
        exceptions: Hosts that are asked without the proxy, separated by commas: names with all
            names below them, and addresses, either with a port. ``NO_PROXY`` in its place where
            the environment decides.
    """

    def __init__(self, proxy: SecretStr | None = None, exceptions: str = "") -> None:
        self._proxy = proxy.get_secret_value() if proxy else None
        listed = (entry.strip().lstrip(".").lower() for entry in exceptions.split(","))
        self._exceptions = [entry for entry in listed if entry]
        if self._proxy is None and getproxies().keys() & {"http", "https", "all"}:
            log.info(
                "model calls do not use the proxy that the environment names; to use it, set "
                "model_proxy to 'environment'"
            )

    def find(self, scheme: str, host: str, port: int | None) -> str | None:
        """Return the URL of the proxy for a server, or ``None`` for a direct connection.

        Raises:
            UnusableProxy: The proxy for it is not an HTTP proxy.
        """
        if self._proxy is None or _is_this_machine(host):
            return None
        if self._proxy != ENVIRONMENT:
            return None if self._is_exempt(host, port) else _usable(self._proxy)
        if proxy_bypass(host) or proxy_bypass(f"{host}:{port}"):
            return None
        proxies = getproxies()
        proxy = proxies.get(scheme) or proxies.get("all")
        return _usable(proxy) if proxy else None

    def _is_exempt(self, host: str, port: int | None) -> bool:
        names = (host, f"{host}:{port}")
        return any(
            exempt == "*" or f".{name}".endswith(f".{exempt}")
            for exempt in self._exceptions
            for name in names
        )


def _is_this_machine(host: str) -> bool:
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _usable(proxy: str) -> str:
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    try:
        parts = urlsplit(proxy)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise UnusableProxy
    return proxy
