"""Which call a question of a server belongs to: ``everruns.mcp.open_calls``."""

import asyncio
from collections.abc import Mapping
from typing import Any

from everruns.mcp.call import Call
from everruns.mcp.open_calls import CANCEL, OpenCalls

REQUEST: dict[str, Any] = {"method": "elicitation/create", "params": {"message": "Sure?"}}


def calling(name: str) -> Call:
    async def ask(_request: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"action": "accept", "content": {"asked": name}}

    return Call(name, {}, ask=ask)


def of(name: str) -> dict[str, Any]:
    return {"action": "accept", "content": {"asked": name}}


class Server:
    """A connection whose questions come from elsewhere than from a call."""

    def __init__(self) -> None:
        self.notes = 0
        self.calls = OpenCalls(self._note)

    def _note(self) -> None:
        self.notes += 1


async def test_a_question_in_the_context_of_a_call_is_that_calls():
    server = Server()

    async def call(name: str) -> Mapping[str, Any]:
        with server.calls.open(calling(name)):
            await asyncio.sleep(0)
            return await asyncio.create_task(server.calls.ask(REQUEST))

    assert await asyncio.gather(call("a"), call("b")) == [of("a"), of("b")]
    assert server.notes == 0


async def asked_from_elsewhere(server: Server, *names: str) -> Mapping[str, Any]:
    """Ask while these calls are open, as a message does that says nothing of its call."""
    opened, go_on = asyncio.Barrier(len(names) + 1), asyncio.Event()

    async def call(name: str) -> None:
        with server.calls.open(calling(name)):
            await opened.wait()
            await go_on.wait()

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(call(name))
        await opened.wait()
        answer = await server.calls.ask(REQUEST)
        go_on.set()
    return answer


async def test_a_question_that_names_no_call_is_the_only_ones():
    server = Server()
    assert await asked_from_elsewhere(server, "a") == of("a")
    assert server.notes == 1


async def test_a_question_that_could_be_any_calls_is_nobodys():
    server = Server()
    assert await asked_from_elsewhere(server, "a", "b") == CANCEL
    assert server.notes == 1


async def test_a_question_that_could_be_a_given_up_calls_is_nobodys():
    server = Server()
    given_up = asyncio.create_task(_held(server))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait({given_up})
    assert await asked_from_elsewhere(server, "b") == CANCEL


async def _held(server: Server) -> None:
    with server.calls.open(calling("left")):
        await asyncio.Event().wait()


async def test_a_call_that_ends_stops_asking():
    async def never(_request: Mapping[str, Any]) -> Mapping[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    server = Server()
    with server.calls.open(Call("a", {}, ask=never)):
        asking = asyncio.create_task(server.calls.ask(REQUEST))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert await asking == CANCEL
