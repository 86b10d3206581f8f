"""Whether somebody still listens at an address that was noted."""

import socket
from collections.abc import Iterator

import pytest

from actors.clusters.ports import Listeners

TIMEOUT_S = 0.2
REMEMBER_S = 3.0


class Clock:
    """A clock that goes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def listeners(clock: Clock) -> Listeners:
    return Listeners(TIMEOUT_S, REMEMBER_S, clock)


def address_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()
    return f"{host}:{port}"


def test_who_listens_is_told_until_some_seconds_after_it_is_gone(
    listeners: Listeners, listener: socket.socket, clock: Clock
) -> None:
    address = address_of(listener)
    assert listeners.has(address)

    listener.close()

    assert listeners.has(address)
    clock.now += REMEMBER_S
    assert not listeners.has(address)


def test_whoever_begins_to_listen_is_told_some_seconds_later(
    listeners: Listeners, listener: socket.socket, clock: Clock
) -> None:
    address = address_of(listener)
    listener.close()
    assert not listeners.has(address)

    with socket.create_server(("127.0.0.1", int(address.rpartition(":")[2]))):
        clock.now += REMEMBER_S
        assert listeners.has(address)


def test_another_address_is_asked_at_once(listeners: Listeners, listener: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        gone = address_of(other)
    assert not listeners.has(gone)

    assert listeners.has(address_of(listener))


def test_one_that_hangs_is_not_waited_for(
    listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, waits = socket.create_connection, list[float | None]()

    def connecting(address: tuple[str, int], timeout: float | None = None) -> socket.socket:
        waits.append(timeout)
        return connect(address, timeout)

    monkeypatch.setattr(socket, "create_connection", connecting)
    with socket.socket() as hanging, socket.socket() as first, socket.socket() as second:
        hanging.bind(("127.0.0.1", 0))
        hanging.listen(0)
        # With these its queue is full: the system answers no further caller.
        for caller in (first, second):
            caller.setblocking(False)
            caller.connect_ex(hanging.getsockname())

        assert not listeners.has(address_of(hanging))
    assert waits == [TIMEOUT_S]


@pytest.mark.parametrize("address", ["", "nowhere", "127.0.0.1:port", "127.0.0.1:99999999"])
def test_nobody_listens_at_what_is_not_an_address(listeners: Listeners, address: str) -> None:
    assert not listeners.has(address)
