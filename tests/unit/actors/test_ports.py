"""Ports that a process takes are no other's, even before anything listens on them."""

import socket
import subprocess
import sys

import pytest

from actors.clusters import ports
from everruns.errors import Unavailable

TAKE = """
import sys
from actors.clusters.ports import free_ports
print(*free_ports(int(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def take(count: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", TAKE, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_that_ask_at_once_share_no_port() -> None:
    takers = [take(100) for _ in range(6)]
    try:
        taken = [[int(port) for port in taker.stdout.readline().split()] for taker in takers]  # type: ignore[union-attr]
    finally:
        for taker in takers:
            taker.communicate()

    assert [len(found) for found in taken] == [100] * 6
    assert len(set().union(*taken)) == 600


def test_they_are_consecutive_and_can_be_listened_on_everywhere() -> None:
    found = ports.free_ports(5)

    assert list(found) == list(range(found[0], found[0] + 5))
    for port in found:
        with socket.create_server(("0.0.0.0", port)):
            pass


def test_a_process_never_gets_the_same_port_twice() -> None:
    found = [port for _ in range(5) for port in ports.free_ports(60)]

    assert len(set(found)) == 300


def test_more_than_a_block_are_refused() -> None:
    with pytest.raises(Unavailable, match="consecutive"):
        ports.free_ports(ports.BLOCK)


@pytest.mark.parametrize("host", ["192.0.2.77", "no.such.host.invalid", "a..b", "300.1.1.1", "::7"])
def test_an_address_that_is_not_this_machines_says_what_to_choose(host: str) -> None:
    with pytest.raises(Unavailable, match=f"Cannot listen on {host}:9300.*--host") as refused:
        ports.check_port_free(host, 9300)
    assert refused.value.__cause__ is None
