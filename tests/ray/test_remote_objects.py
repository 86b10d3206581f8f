"""Objects in actors, used as if they were here."""

import asyncio
import os
from typing import Any

import pytest

from actors.remote import Remote, answer
from everruns.errors import HostLost, SessionNotFound
from everruns.tools.base import ToolError
from tests.waiting import POLL_S

ray = pytest.importorskip("ray")


class Room:
    async def fail(self, kind: str) -> None:
        raise {
            "product": SessionNotFound("Session s not found", None, 2.5),
            "tool": ToolError("I refuse."),
        }[kind]

    async def say(self, word: str, *, loud: bool = False) -> str:
        return word.upper() if loud else word

    async def create(self, wanted: str, key: str | None = None) -> str | None:
        if wanted == "the end":
            os._exit(1)
        return key


class House:
    """An actor with one room."""

    def __init__(self) -> None:
        self.rooms = {"room": Room()}

    async def call(self, room: str, method: str, args: Any, kwargs: Any) -> Any:
        return await answer(self.rooms, room, method, args, kwargs)


def start(name: str) -> Any:
    return ray.remote(House).options(name=name, num_cpus=0, max_restarts=-1).remote()


@pytest.fixture(scope="module")
def name(ray_settings) -> str:
    return "house-of-tests"


@pytest.fixture(scope="module")
def house(name: str) -> Any:
    return start(name)


def remote(name: str, patience_s: float = 0) -> Any:
    return Remote(lambda: ray.get_actor(name), "room", patience_s)


async def test_a_call_is_one_of_the_object_itself(house, name: str):
    assert await remote(name).say("hi", loud=True) == "HI"


async def test_errors_come_back_as_they_were_raised(house, name: str):
    with pytest.raises(SessionNotFound) as missing:
        await remote(name).fail("product")
    assert type(missing.value) is SessionNotFound
    assert (missing.value.code, missing.value.retry_after_s) == ("SESSION_NOT_FOUND", 2.5)
    with pytest.raises(ToolError, match="I refuse"):
        await remote(name).fail("tool")


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


async def test_another_actor_that_takes_the_name_is_found(house, name: str):
    old = remote(name, patience_s=30)
    await old.say("up")
    ray.kill(house, no_restart=True)
    async with asyncio.timeout(30):
        while True:
            try:
                again = start(name)
                break
            except ValueError:
                await asyncio.sleep(POLL_S)
    assert await old.say("here") == "here"
    del again
