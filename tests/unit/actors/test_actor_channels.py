"""The channel to an actor that has gone: with its machine, or to another place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from actors.calls import network, rpc_actor
from actors.calls.direct import DirectServer, hang_up
from actors.calls.rpc_actor import ActorChannel, first_of
from everruns.address import Address, Endpoint
from everruns.errors import HostLost
from tests.waiting import eventually

HERE, THERE = "this node", "another node"
ENDED = Address(Path("nowhere"), b"", "another node", Endpoint("127.0.0.4", 1, b""))
SILENT = Address(Path("nowhere"), b"", "a silent node", Endpoint("127.0.0.5", 1, b""))


class Handle:
    """An actor as Ray has it: it tells its address, or nothing at all."""

    def __init__(self, address: Address | None = None, after_s: float = 0) -> None:
        self.asked = 0
        self.address: Any = self
        self._address = address
        self._after_s = after_s

    async def remote(self, _node: str) -> Address:
        self.asked += 1
        if self._address is None:
            await asyncio.Event().wait()
        await asyncio.sleep(self._after_s)
        assert self._address is not None
        return self._address


@pytest.fixture(autouse=True)
async def silence(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A machine says nothing, not even that nobody listens."""
    monkeypatch.setattr(rpc_actor, "_this_node", lambda: HERE)
    reach = network._reach

    async def reach_unless_silent(server: Any, endpoint: Endpoint) -> None:
        if endpoint == SILENT.endpoint:
            await asyncio.Event().wait()
        await reach(server, endpoint)

    monkeypatch.setattr(network, "_reach", reach_unless_silent)
    yield
    await hang_up()


async def respond(request: bytes) -> bytes:
    return request * 2


@pytest.fixture
async def address() -> AsyncIterator[Address]:
    server = DirectServer(respond, THERE, "127.0.0.4")
    yield await server.address(on_network=True)
    await server.close()


def channel_to(handle: Handle, address: Address | None) -> ActorChannel:
    channel = ActorChannel(lambda: handle)  # type: ignore[arg-type, return-value]
    channel.address = address
    return channel


async def test_an_actor_is_met_where_it_is_known_to_be_without_asking_ray(address: Address):
    handle = Handle()
    assert await channel_to(handle, address).call(b"hi", 5) == b"hihi"
    assert handle.asked == 0


async def test_an_actor_that_has_moved_is_met_before_it_is_certain_that_its_machine_is_silent(
    address: Address,
):
    channel = channel_to(Handle(address), SILENT)
    assert await channel.call(b"hi", 5) == b"hihi"
    assert channel.address == address


async def test_an_actor_that_ended_is_looked_for_at_once(address: Address):
    handle = Handle(address)
    assert await channel_to(handle, ENDED).call(b"hi", 5) == b"hihi"
    assert handle.asked == 1


async def test_an_actor_of_which_neither_its_machine_nor_ray_says_anything_is_lost_soon(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(rpc_actor, "AGAIN_WITHIN_S", 0.05)
    monkeypatch.setattr(rpc_actor, "HEAD_START_S", 0.01)
    handle = Handle()
    with pytest.raises(HostLost):
        await channel_to(handle, SILENT).call(b"hi", 60)
    assert handle.asked == 1


async def test_a_host_that_ray_is_starting_again_is_lost_sooner(monkeypatch: pytest.MonkeyPatch):
    """Its callers can ask the registry where its sessions are now."""
    monkeypatch.setattr(rpc_actor, "AGAIN_WITHIN_S", 600.0)
    monkeypatch.setattr(rpc_actor, "HOST_AGAIN_WITHIN_S", 0.01)
    with pytest.raises(HostLost):
        await channel_to(Handle(), ENDED).call(b"hi", 600)


async def test_a_host_for_which_ray_is_slow_to_answer_is_found_at_last(
    address: Address, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rpc_actor, "HOST_AGAIN_WITHIN_S", 0.02)
    channel = channel_to(Handle(address, after_s=0.2), ENDED)

    async def call() -> bytes:
        while True:
            with suppress(HostLost):
                return await channel.call(b"hi", 600)

    assert await asyncio.wait_for(call(), 60) == b"hihi"


class Connected:
    def __init__(self) -> None:
        self.closed = False

    async def call(self, request: bytes) -> bytes:
        return request

    def close(self) -> None:
        self.closed = True


async def test_of_two_connections_one_is_kept_and_the_other_is_closed():
    async def connect() -> Connected:
        return Connected()

    attempts = [asyncio.create_task(connect()) for _ in range(2)]
    await eventually(lambda: all(task.done() for task in attempts))
    kept = await first_of(attempts)
    assert [task.result().closed for task in attempts] == [
        task.result() is not kept for task in attempts
    ]


async def test_an_attempt_that_is_not_needed_any_more_is_given_up():
    async def connect() -> Connected:
        return Connected()

    late = asyncio.create_task(asyncio.Event().wait())
    await first_of([late, asyncio.create_task(connect())])  # type: ignore[list-item]
    await eventually(late.cancelled)
