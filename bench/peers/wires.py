"""What speaking to a server is, whichever it is, and what all wires are made of."""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Protocol

import aiohttp
import orjson

SYSTEM_PROMPT = "Be brief."

# Called whenever events of a turn arrive, with the text that they hold, if any.
Heard = Callable[[str], None]


class BrokenServer(Exception):
    """A server answered something other than what it was asked for."""


class Conversation(Protocol):
    """One session of a server."""

    async def turn(self, question: str, heard: Heard) -> None:
        """Send a message and hear the turn to its end."""
        ...

    async def close(self) -> None:
        """Let go of what it holds open."""
        ...


class Wire(Protocol):
    """A server, as its clients speak to it."""

    async def prepare(self, model_url: str, models: Sequence[str]) -> None:
        """Define what a client needs before its first session: an agent for each model."""
        ...

    async def open(self, model: str) -> Conversation:
        """Begin a session with the agent of a model."""
        ...


async def frames(answer: aiohttp.ClientResponse) -> AsyncGenerator[list[bytes], None]:
    """Yield the frames of an event stream, as many at a time as have arrived."""
    rest = b""
    async for received in answer.content.iter_any():
        rest = (rest + received).replace(b"\r\n", b"\n")
        *whole, rest = rest.split(b"\n\n")
        if whole:
            yield whole


def parts_of(frame: bytes) -> tuple[bytes, bytes]:
    """Return the type and the data of a frame; a comment has neither."""
    kind = data = b""
    for line in frame.split(b"\n"):
        if line.startswith(b"data:"):
            data = line[5:].strip()
        elif line.startswith(b"event:"):
            kind = line[6:].strip()
    return kind, data


async def post(client: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Post JSON; return the JSON that comes back.

    Raises:
        BrokenServer: It was refused.
    """
    async with client.post(path, json=body) as answer:
        await check(answer)
        return orjson.loads(await answer.read())


async def check(answer: aiohttp.ClientResponse) -> None:
    if answer.status >= 400:
        raise BrokenServer(
            f"{answer.method} {answer.url.path}: {answer.status} {await answer.text()}"
        )
