"""Which network addresses a tool may reach, decided on what a name really resolves to.

A model, or a page that it read, can name any host. A name of the public DNS can point at this
machine, at its neighbours or at a cloud's metadata service, so names are never judged, only
addresses, and a connection goes to the very address that was judged.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from everruns.tools.base import ToolError

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

RESOLVE_TIMEOUT_S = 5.0

# What Python's own classification calls global, or calls differently from version to version.
_REFUSED = [
    ip_network(block)
    for block in (
        "0.0.0.0/8",  # this network
        "100.64.0.0/10",  # carrier-grade NAT, and metadata at 100.100.100.200
        "168.63.129.16/32",  # Azure's platform services
        "192.0.0.0/24",  # protocol assignments, and metadata at 192.0.0.192
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarks
        "240.0.0.0/4",  # reserved
        "::/96",  # IPv4-compatible, loopback and unspecified
        "::ffff:0:0/96",  # IPv4-mapped
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",  # NAT64 for local use
        "100::/64",  # discarded
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
        "5f00::/16",  # segment routing
        "fec0::/10",  # site-local
    )
]


def is_public(address: str) -> bool:
    """Tell whether an address is that of one host on the public internet.

    IPv6 addresses that stand for an IPv4 one are never public: they lead past the check.

    Source: the IANA special-purpose address registries (RFC 6890).
    """
    parsed: IPv4Address | IPv6Address = ip_address(address)
    return (
        parsed.is_global
        and not parsed.is_multicast
        and not any(parsed in block for block in _REFUSED)
    )


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host in the order in which they should be tried.

    Raises:
        ToolError: The name has no address, or no answer came in time.
    """
    try:
        async with asyncio.timeout(RESOLVE_TIMEOUT_S):
            answers = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            )
    except (OSError, UnicodeError, TimeoutError):
        raise ToolError(f"Failed to connect to server: {host} has no address") from None
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


async def resolve_public(host: str, port: int, resolver: Resolve = resolve) -> Sequence[str]:
    """Return the addresses of a host, all of them public.

    Raises:
        ToolError: One of them is not, or there is none.
    """
    addresses = await resolver(host, port)
    if not addresses:
        raise ToolError(f"Failed to connect to server: {host} has no address")
    if not all(is_public(address) for address in addresses):
        raise ToolError(f"Request refused: {host} is not on the public internet")
    return addresses
