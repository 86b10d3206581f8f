"""Which network addresses a tool may reach, decided after the name is resolved.

A model, or a page that it read, can name any host. A name in public DNS can point at this
machine, at its neighbours or at a cloud's metadata service. So only addresses are checked, never
names, and a connection goes to exactly the address that was checked.
"""

from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from socket import AF_INET, AF_INET6

import psutil

from everruns.tools.base import ToolError
from everruns.tools.names import Names

Resolve = Callable[[str], Awaitable[Sequence[str]]]

RESOLVE_TIMEOUT_S = 5.0
LOOK_UPS = 8

_NAMES = Names("web", LOOK_UPS, RESOLVE_TIMEOUT_S)

# Ranges that Python's own classification calls global, or classifies differently by version.
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
        # In IPv6, only 2000::/3 is assigned to hosts of the public internet. The rest holds
        # loopback, IPv4-mapped, NAT64, discarded, segment routing, unique and site-local,
        # multicast, …
        "::/3",
        "4000::/2",
        "8000::/1",
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID, …
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
]


def is_public(address: str) -> bool:
    """Tell whether an address belongs to one host on the public internet.

    IPv6 addresses that map to an IPv4 address are never public, since they would bypass the check.

    Source: the IANA special-purpose address registries (RFC 6890).
    """
    parsed: IPv4Address | IPv6Address = ip_address(address)
    return (
        parsed.is_global
        and not parsed.is_multicast
        and not any(parsed in block for block in _REFUSED)
    )


def own_addresses() -> set[IPv4Address | IPv6Address]:
    """Return the current addresses of this machine's interfaces."""
    return {
        ip_address(address.address.partition("%")[0])
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family in {AF_INET, AF_INET6}
    }


async def resolve(host: str) -> Sequence[str]:
    """Return the addresses of a host in the order in which they should be tried.

    Raises:
        ToolError: The name has no address, or its lookup timed out.
    """
    try:
        return [address for _, address in await _NAMES.addresses(host)]
    except (OSError, UnicodeError):
        raise ToolError(f"Failed to connect to server: {host} has no address") from None


async def resolve_public(host: str, resolver: Resolve = resolve) -> Sequence[str]:
    """Return the addresses of a host if all are public and none is this machine's own.

    Raises:
        ToolError: An address is not allowed, or there is none.
    """
    addresses = await resolver(host)
    if not addresses:
        raise ToolError(f"Failed to connect to server: {host} has no address")
    # Services on this machine are meant for its network, even if its address is public.
    own = own_addresses()
    if not all(is_public(address) and ip_address(address) not in own for address in addresses):
        raise ToolError(f"Request refused: {host} is not on the public internet")
    return addresses
