"""The process in front, before the whole server: what listens."""

from collections.abc import Iterator
from contextlib import suppress

import psutil

from actors.clusters.ports import RANGE
from bench.server import Server


def listening(process: psutil.Process) -> Iterator[tuple[str, int]]:
    with suppress(psutil.NoSuchProcess):  # Some end while one looks.
        for connection in process.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN:
                yield connection.laddr.ip, connection.laddr.port


def test_haproxy_listens_on_the_apis_port_alone_and_what_is_behind_it_on_loopback(
    server: Server,
) -> None:
    processes = server.process.children(recursive=True)
    front = {
        address
        for process in processes
        if process.name() == "haproxy"
        for address in listening(process)
    }
    behind = {
        address for process in processes for address in listening(process) if address[1] in RANGE
    } - front

    assert front == {("127.0.0.1", int(server.address.rsplit(":", 1)[1]))}
    assert len(behind) >= 2  # A replica and Serve's own proxy.
    # Some listen for IPv6 too, where an address of IPv4 has another form.
    assert {host.removeprefix("::ffff:") for host, _ in behind} == {"127.0.0.1"}
