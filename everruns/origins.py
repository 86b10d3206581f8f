"""Hosts and origins: parsing the headers `Host` and `Origin`, and matching them with settings.

Source: RFC 9110, section 7.2 (Host); RFC 6454 and the WHATWG Fetch standard (Origin).
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

LONGEST_NAME = 253
ANYTHING = "*"
ANY_SUBDOMAIN = "*."
DEFAULT_PORTS = {"http": 80, "https": 443}
# DNS host names have no underscores, but names of containers do.
HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?)(?::([0-9]{0,5}))?")
ORIGIN = re.compile(r"([a-z][a-z0-9+.-]{0,31})://([^/?#@]+)")


@dataclass(frozen=True)
class Host:
    """A server, as URLs and `Host` headers name it.

    Attributes:
        name: In lower case, without brackets and final dot; an IP address in its shortest form.
        port: The port, where one is named.
        is_address: Whether the name is an IP address.
        is_loopback: Whether the name can only mean the machine that uses it.
    """

    name: str
    port: int | None
    is_address: bool
    is_loopback: bool


@dataclass(frozen=True)
class Origin:
    """Where a page comes from.

    Attributes:
        scheme: In lower case.
        host: The name, as in ``Host``.
        port: The port, even if it is the scheme's default; ``None`` if the scheme has none.
    """

    scheme: str
    host: str
    port: int | None

    def is_at(self, host: Host) -> bool:
        """Tell whether pages of a server have this origin.

        A proxy may have ended TLS in front of the server, so both schemes count. They never share a
        port.
        """
        port = DEFAULT_PORTS.get(self.scheme)
        return port is not None and (self.host, self.port) == (host.name, host.port or port)


def parse_host(text: str) -> Host:
    """Read a host with its port, if any.

    Raises:
        ValueError: It is not a host, e.g. has a path, a user's name or characters beyond ASCII.
    """
    match = HOST.fullmatch(text.lower())
    if match is None:
        raise ValueError(f"{text[:LONGEST_NAME]!r} is not a host")
    name, port = match[1].removesuffix("."), int(match[2]) if match[2] else None
    if len(name) > LONGEST_NAME or (port is not None and not 0 < port < 65536):
        raise ValueError(f"{text[:LONGEST_NAME]!r} is not a host")
    if name.startswith("["):
        address = IPv6Address(name[1:-1])
        return Host(str(address), port, is_address=True, is_loopback=_is_loopback(address))
    try:
        address = IPv4Address(name)
    except ValueError:
        # RFC 6761 reserves the name and all its subdomains.
        is_loopback = name == "localhost" or name.endswith(".localhost")
        return Host(name, port, is_address=False, is_loopback=is_loopback)
    return Host(name, port, is_address=True, is_loopback=_is_loopback(address))


def parse_origin(text: str) -> Origin:
    """Read an origin, e.g. ``https://app.example.com``.

    Raises:
        ValueError: It is not one. ``null``, which stands for many pages, is not.
    """
    match = ORIGIN.fullmatch(text.lower())
    if match is None:
        raise ValueError(f"{text[:LONGEST_NAME]!r} is not an origin")
    scheme, host = match[1], parse_host(match[2])
    return Origin(scheme, host.name, host.port or DEFAULT_PORTS.get(scheme))


def _is_loopback(address: IPv4Address | IPv6Address) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def is_wildcard(listening_at: str) -> bool:
    """Tell whether an address to listen on stands for all addresses of the machine."""
    try:
        return ip_address(listening_at.strip("[]")).is_unspecified
    except ValueError:
        return listening_at == ""


def host_name(text: str) -> str:
    """Return the name of a host as ``Host`` has it.

    Args:
        text: A name or an IP address; one of version 6 may do without brackets.

    Raises:
        ValueError: It is neither, or has a port.
    """
    try:
        return str(ip_address(text))
    except ValueError:
        host = parse_host(text)
    if host.port is not None:
        raise ValueError(f"{text!r} has a port: give only the host, which allows all its ports")
    return host.name


def host_pattern(text: str) -> str:
    """Return a setting's pattern of hosts in its normal form.

    Args:
        text: A host, ``*.example.com`` for all below a name, or ``*`` for every host.

    Raises:
        ValueError: It is none of these; the message says what would be valid.
    """
    if text == ANYTHING:
        return text
    try:
        if text.startswith(ANY_SUBDOMAIN):
            return ANY_SUBDOMAIN + host_name(text.removeprefix(ANY_SUBDOMAIN))
        return host_name(text)
    except ValueError as error:
        raise ValueError(
            f"{error}. Write a name (box.example.com; other scripts in their xn-- form), an IP "
            "address, or *.example.com"
        ) from None


def origin_pattern(text: str) -> str:
    """Return a setting's origin as it was given, or ``*`` for every origin.

    Raises:
        ValueError: It is not an origin; the message says what would be valid.
    """
    if text == ANYTHING:
        return text
    try:
        parse_origin(text)
    except ValueError as error:
        raise ValueError(
            f"{error}. Write scheme, host and port, without a path: https://app.example.com or "
            "http://localhost:3000"
        ) from None
    return text.lower()


def is_host_allowed(name: str, patterns: tuple[str, ...]) -> bool:
    """Tell whether one of a setting's patterns stands for a host."""
    return any(
        pattern in (ANYTHING, name)
        or (pattern.startswith(ANY_SUBDOMAIN) and name.endswith(pattern[1:]))
        for pattern in patterns
    )
