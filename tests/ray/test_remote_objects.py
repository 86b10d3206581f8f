"""Objects in actors, used as if they were here."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.calls import stub as stubs
from actors.calls.contract import contract_of
from actors.calls.direct import hang_up
from actors.calls.rpc_actor import ActorChannel, RayConnection, RpcActor
from everruns.address import Address
from everruns.domain.idempotency import Idempotency
from everruns.errors import EverrunsError, HostLost, SessionNotFound
from everruns.remote import Repeat, remote
from everruns.tools.base import ToolError
from tests.ray.processes import kill
from tests.waiting import POLL_S

ray = pytest.importorskip("ray")


class Target:
    @remote(Repeat.NO)
    async def fail(self, kind: str) -> None:
        raise {
            "bug": ZeroDivisionError("a mistake"),
            "broken off": asyncio.CancelledError(),
            "product": SessionNotFound("Session s not found", None, 2.5),
            "tool": ToolError("I refuse."),
        }[kind]

    @remote(Repeat.YES)
    async def say(self, word: str, *, loud: bool = False) -> str:
        return word.upper() if loud else word

    @remote(Repeat.NO)
    async def die(self) -> None:
        os._exit(1)

    @remote(Repeat.KEYED)
    async def die_at_the_first_try(self, idempotency: Idempotency | None = None) -> str:
        assert idempotency is not None
        if not idempotency.is_repeated:
            os._exit(1)
        return idempotency.key

    async def keep_to_yourself(self) -> None:
        """Not declared, so not to be called."""


class NearActor(RpcActor):
    """An actor with one object."""

    async def targets(self) -> Mapping[str, object]:
        return {"target": Target()}


class FarActor(NearActor):
    """One that is, as far as callers know, on another node."""

    async def address(self, node: str) -> Address | None:
        address = await self.own_address(True)
        assert address is not None
        return replace(address, node="another node")


class UnreachableActor(NearActor):
    """One on another node, with a firewall in between."""

    async def address(self, node: str) -> Address | None:
        return Address(Path("no socket of this machine"), b"", "another node")


KINDS = {"near": NearActor, "far": FarActor, "unreachable": UnreachableActor}


def start(name: str, kind: type[NearActor] = NearActor) -> Any:
    return ray.remote(kind).options(name=name, num_cpus=0, max_restarts=-1).remote()


@pytest.fixture(autouse=True)
async def closed_connections() -> AsyncIterator[None]:
    yield
    await hang_up()


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def kind(ray_settings, request: pytest.FixtureRequest) -> type[NearActor]:
    return request.param


@pytest.fixture(scope="module")
def name(kind: type[NearActor]) -> str:
    return f"{kind.__name__}-of-tests"


@pytest.fixture(scope="module")
def actor(name: str, kind: type[NearActor]) -> Any:
    return start(name, kind)


def stub(name: str, patience_s: float = 0) -> Target:
    channel = ActorChannel(lambda: ray.get_actor(name), patience_s)
    return stubs.stub(Target, channel, "target", patience_s)


async def test_a_call_is_one_of_the_object_itself(actor, name: str):
    assert await stub(name).say("hi", loud=True) == "HI"


async def test_the_call_goes_past_ray_if_it_can(actor, name: str, kind: type[NearActor]):
    called = stub(name)
    await called.say("hi")
    connection = called.stub_caller.channel._connection
    if kind is UnreachableActor:
        assert isinstance(connection, RayConnection)
    else:
        is_encrypted = connection.transport.get_extra_info("cipher") is not None
        assert is_encrypted is (kind is FarActor)


async def test_errors_come_back_as_they_were_raised(actor, name: str):
    with pytest.raises(SessionNotFound) as missing:
        await stub(name).fail("product")
    assert type(missing.value) is SessionNotFound
    assert (missing.value.code, missing.value.retry_after_s) == ("SESSION_NOT_FOUND", 2.5)
    with pytest.raises(ToolError, match="I refuse"):
        await stub(name).fail("tool")


async def test_mistakes_are_told_by_the_log_alone(actor, name: str):
    with pytest.raises(
        EverrunsError, match=r"log has the details under call_[0-9a-f]{32}"
    ) as mistake:
        await stub(name).fail("bug")
    assert mistake.value.code == "INTERNAL_ERROR"


async def test_what_cannot_be_understood_is_answered(actor, name: str):
    answer: Any = actor.call.remote(b"no request")
    with pytest.raises(EverrunsError, match="not a request"):
        contract_of(Target)["say"].decode_answer(await answer)


async def test_a_call_that_is_broken_off_in_the_actor_is_not_waited_for(actor, name: str):
    with pytest.raises(HostLost, match="stopping"):
        await stub(name).fail("broken off")


async def test_what_is_repeatable_is_repeated_while_the_actor_restarts(actor, name: str):
    patient = stub(name, patience_s=30)
    assert await patient.say("before") == "before"
    kill(actor)
    assert await patient.say("after") == "after"


async def test_a_call_under_a_key_is_repeated_under_it(actor, name: str):
    key = Idempotency("key of a client", "request")
    assert await stub(name, patience_s=30).die_at_the_first_try(key) == key.key
    assert await stub(name, patience_s=30).die_at_the_first_try()


async def test_what_may_not_be_repeated_is_not(actor, name: str):
    patient = stub(name, patience_s=30)
    await patient.say("up")
    with pytest.raises(HostLost):
        await patient.die()
    assert await patient.say("up again") == "up again"


async def test_what_is_not_declared_cannot_be_called(actor, name: str):
    with pytest.raises(AttributeError, match="no attribute 'keep_to_yourself'"):
        await stub(name).keep_to_yourself()
    answer: Any = actor.call.remote(
        msgspec.msgpack.encode(("target", "keep_to_yourself", [], {}, {}))
    )
    with pytest.raises(EverrunsError, match=r"no remote method target\.keep_to_yourself"):
        contract_of(Target)["say"].decode_answer(await answer)


async def test_another_actor_that_takes_the_name_is_found(actor, name: str, kind):
    old = stub(name, patience_s=30)
    await old.say("up")
    ray.kill(actor, no_restart=True)
    async with asyncio.timeout(30):
        while True:
            try:
                again = start(name, kind)
                break
            except ValueError:
                await asyncio.sleep(POLL_S)
    assert await old.say("here") == "here"
    del again
