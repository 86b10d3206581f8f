"""Objects in actors, used as if they were here."""

import asyncio
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from actors.calls import Remote
from actors.direct import Address
from actors.remote import ActorLine, Callee
from everruns.errors import EverrunsError, HostLost, SessionNotFound
from everruns.tools.base import ToolError
from tests.waiting import POLL_S

ray = pytest.importorskip("ray")


class Room:
    async def fail(self, kind: str) -> None:
        raise {
            "bug": ZeroDivisionError("a mistake"),
            "broken off": asyncio.CancelledError(),
            "product": SessionNotFound("Session s not found", None, 2.5),
            "tool": ToolError("I refuse."),
        }[kind]

    async def say(self, word: str, *, loud: bool = False) -> str:
        return word.upper() if loud else word

    async def create(self, wanted: str, key: str | None = None) -> str | None:
        if wanted == "the end":
            os._exit(1)
        return key


class House(Callee):
    """An actor with one room."""

    async def room(self, name: str) -> object:
        return {"room": Room()}[name]


class FarHouse(House):
    """One that is, as far as callers know, on another machine."""

    async def address(self) -> tuple[str, Address | None]:
        return "another node", Address(Path("no socket of this machine"), b"")


def start(name: str, kind: type[House] = House) -> Any:
    return ray.remote(kind).options(name=name, num_cpus=0, max_restarts=-1).remote()


@pytest.fixture(scope="module", params=[House, FarHouse], ids=["near", "far"])
def kind(ray_settings, request: pytest.FixtureRequest) -> type[House]:
    return request.param


@pytest.fixture(scope="module")
def name(kind: type[House]) -> str:
    return f"{kind.__name__}-of-tests"


@pytest.fixture(scope="module")
def house(name: str, kind: type[House]) -> Any:
    return start(name, kind)


def remote(name: str, patience_s: float = 0) -> Any:
    return Remote(ActorLine(lambda: ray.get_actor(name)), "room", patience_s)


async def test_a_call_is_one_of_the_object_itself(house, name: str):
    assert await remote(name).say("hi", loud=True) == "HI"


async def test_errors_come_back_as_they_were_raised(house, name: str):
    with pytest.raises(SessionNotFound) as missing:
        await remote(name).fail("product")
    assert type(missing.value) is SessionNotFound
    assert (missing.value.code, missing.value.retry_after_s) == ("SESSION_NOT_FOUND", 2.5)
    with pytest.raises(ToolError, match="I refuse"):
        await remote(name).fail("tool")


async def test_mistakes_are_told_by_the_log_alone(house, name: str):
    with pytest.raises(EverrunsError, match=r"log tells more under call_[0-9a-f]{32}") as mistake:
        await remote(name).fail("bug")
    assert mistake.value.code == "INTERNAL_ERROR"


async def test_what_cannot_be_understood_is_answered(house, name: str):
    request: Any = house.call.remote(b"no pickle")
    _, error = pickle.loads(await request)
    assert error.code == "INTERNAL_ERROR"


async def test_a_call_that_is_broken_off_in_the_actor_is_not_waited_for(house, name: str):
    with pytest.raises(HostLost, match="stopping"):
        await remote(name).fail("broken off")


async def test_what_does_no_harm_is_repeated_while_the_actor_restarts(house, name: str):
    patient = remote(name, patience_s=30)
    assert await patient.say("before") == "before"
    ray.kill(house, no_restart=False)
    assert await patient.say("after") == "after"
    ray.kill(house, no_restart=False)
    assert await patient.create("with a", "key") == "key"


async def test_what_creates_without_a_key_is_not_repeated(house, name: str):
    patient = remote(name, patience_s=30)
    await patient.say("up")
    with pytest.raises(HostLost):
        await patient.create("the end")
    assert await patient.say("up again") == "up again"


async def test_another_actor_that_takes_the_name_is_found(house, name: str, kind):
    old = remote(name, patience_s=30)
    await old.say("up")
    ray.kill(house, no_restart=True)
    async with asyncio.timeout(30):
        while True:
            try:
                again = start(name, kind)
                break
            except ValueError:
                await asyncio.sleep(POLL_S)
    assert await old.say("here") == "here"
    del again
