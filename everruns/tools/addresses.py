"""Which network addresses a tool may reach, decided on what a name really resolves to.

A model, or a page that it read, can name any host. A name of the public DNS can point at this
machine, at its neighbours or at a cloud's metadata service, so names are never judged, only
addresses, and a connection goes to the very address that was judged.
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
        # Of IPv6, only 2000::/3 is given to hosts of the public internet. The rest holds loopback,
        # IPv4-mapped, NAT64, discarded, segment routing, unique and site-local, multicast, …
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


def own_addresses() -> set[IPv4Address | IPv6Address]:
    """Return the addresses of this machine's interfaces, as they are now."""
    return {
        ip_address(address.address.partition("%")[0])
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family in {AF_INET, AF_INET6}
    }


async def resolve(host: str) -> Sequence[str]:
    """Return the addresses of a host in the order in which they should be tried.

    Raises:
        ToolError: The name has no address, or no answer came in time.
    """
    try:
        return [address for _, address in await _NAMES.addresses(host)]
    except (OSError, UnicodeError):
        raise ToolError(f"Failed to connect to server: {host} has no address") from None


async def resolve_public(host: str, resolver: Resolve = resolve) -> Sequence[str]:
    """Return the addresses of a host, all of them public and none of them this machine's own.

    Raises:
        ToolError: One of them is not, or there is none.
    """
    addresses = await resolver(host)
    if not addresses:
        raise ToolError(f"Failed to connect to server: {host} has no address")
    # What listens on this machine is meant for its network, even where its address is public.
    own = own_addresses()
    if not all(is_public(address) and ip_address(address) not in own for address in addresses):
        raise ToolError(f"Request refused: {host} is not on the public internet")
    return addresses
