"""Which addresses tools may reach."""

from ipaddress import ip_address
from socket import AF_INET, AF_INET6
from types import SimpleNamespace

import psutil
import pytest

from everruns.tools.addresses import is_public, own_addresses, resolve, resolve_public
from everruns.tools.base import ToolError

PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "100.63.255.255", "2606:4700:4700::1111"]

REFUSED = {
    "loopback": ["127.0.0.1", "127.8.8.8", "::1"],
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fd12::1", "fc00::1"],
    "link-local": ["169.254.0.1", "fe80::1", "fe80::1%eth0"],
    "metadata": ["169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192"],
    "metadata over IPv6": ["fd00:ec2::254", "fd20:ce::254"],
    "carrier-grade NAT": ["100.64.0.1", "100.127.255.255"],
    "multicast": ["224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1"],
    "broadcast and reserved": ["255.255.255.255", "240.0.0.1"],
    "documentation and benchmarks": ["192.0.2.1", "198.51.100.1", "198.18.0.1", "2001:db8::1"],
    "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8"],
    "IPv4-compatible": ["::127.0.0.1", "::8.8.8.8"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1"],
    "6to4 and Teredo": ["2002:7f00:1::", "2001:0:808:808::1", "192.88.99.1"],
    "site-local": ["fec0::1"],
    "documentation, newer": ["3fff::1", "3fff:fff:ffff::1"],
    "segment routing": ["5f00::1"],
    "discarded": ["100::1", "100:0:0:1::1"],
    "protocol assignments": ["2001:20::1", "2001:30::1", "2001:1ff:ffff::1", "192.0.0.8"],
    "not given to anybody": ["4000::1", "1::1", "e000::1"],
}


def answering(*addresses: str):
    async def resolver(host: str) -> list[str]:
        return list(addresses)

    return resolver


@pytest.mark.parametrize("address", PUBLIC)
def test_address_of_the_public_internet_is_allowed(address):
    assert is_public(address)


@pytest.mark.parametrize("address", [address for group in REFUSED.values() for address in group])
def test_any_other_address_is_refused(address):
    assert not is_public(address)


async def test_name_with_public_addresses_alone_is_allowed():
    assert await resolve_public("x.test", answering(*PUBLIC)) == PUBLIC


@pytest.mark.parametrize("bad", ["127.0.0.1", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1"])
@pytest.mark.parametrize("position", [0, 1])
async def test_name_with_one_private_address_among_public_ones_is_refused(bad, position):
    addresses = ["8.8.8.8"]
    addresses.insert(position, bad)
    with pytest.raises(ToolError, match="not on the public internet"):
        await resolve_public("x.test", answering(*addresses))


@pytest.mark.parametrize("own", ["8.8.8.8", "2606:4700:4700::1111"])
async def test_the_machines_own_addresses_are_refused_although_they_are_public(monkeypatch, own):
    family = AF_INET6 if ":" in own else AF_INET
    interfaces = {}
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: interfaces)
    assert await resolve_public("x.test", answering(own)) == [own]

    # Addresses come and go.
    interfaces["eth0"] = [SimpleNamespace(family=family, address=own)]

    with pytest.raises(ToolError, match="not on the public internet"):
        await resolve_public("x.test", answering("1.1.1.1", own))


def test_all_addresses_of_this_machine_are_known():
    assert {ip_address("127.0.0.1")} <= own_addresses()


async def test_refusal_does_not_tell_the_address():
    with pytest.raises(ToolError) as refused:
        await resolve_public("x.test", answering("10.1.2.3"))
    assert "10.1.2.3" not in str(refused.value)


async def test_name_without_addresses_is_an_error():
    with pytest.raises(ToolError, match="has no address"):
        await resolve_public("x.test", answering())


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1"])
async def test_every_spelling_of_loopback_is_seen_through(host):
    with pytest.raises(ToolError):
        await resolve_public(host)


async def test_name_that_cannot_be_looked_up_is_an_error():
    with pytest.raises(ToolError, match="has no address"):
        await resolve("a" * 300)
