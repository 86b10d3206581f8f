"""A client that keeps the rules: keys on what it sends, a cursor on what it reads.

Source: docs/contract.md, "Stream rules" and "Turns".
"""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp

PATIENCE_S = 90.0
ATTEMPT_TIMEOUT_S = 30.0
RETRY_S = 0.1
# A stream that is silent for longer than three heartbeats is dead.
SILENCE_S = 30.0
MAX_FRAME_BYTES = 32 * 1024 * 1024
TRY_AGAIN = {429, 502, 503, 504}
ENDS = {"session.completed", "session.failed", "session.cancelled"}

Event = dict[str, Any]


class Refused(Exception):
    """An answer that no repetition would better."""


class Client:
    """Sends requests until they are answered.

    Args:
        address: Returns the server's address, which may change when it starts again.
        connections: What connects.
        patience_s: Seconds after which a request is given up.

    Attributes:
        repeated: How many requests had to be sent again.
        refusals: The status and the ``Retry-After`` of each answer that asked for it.
        strange: Refusals without the body that the contract promises. They are told of, and the
            request is sent again, so that everything else can be judged.
    """

    def __init__(
        self, address: Callable[[], str], connections: aiohttp.ClientSession, patience_s: float
    ) -> None:
        self._address = address
        self._patience_s = patience_s
        self._connections = connections
        self.repeated = 0
        self.refusals: list[tuple[int, str | None]] = []
        self.strange: list[str] = []

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create something, once, however often the request has to be sent."""
        return await self._request("POST", path, {"Idempotency-Key": uuid.uuid4().hex}, body)

    async def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        """Read something."""
        headers = {"Accept": "application/json"}
        return await self._request("GET", path, headers, None, **parameters)

    async def _request(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: dict[str, Any] | None,
        **parameters: Any,
    ) -> dict[str, Any]:
        async with asyncio.timeout(self._patience_s):
            while True:
                wait_s = RETRY_S
                try:
                    async with self._connections.request(
                        method,
                        self._address() + path,
                        headers=headers,
                        json=body,
                        params=parameters,
                        timeout=aiohttp.ClientTimeout(ATTEMPT_TIMEOUT_S),
                    ) as answer:
                        text = await answer.text()
                        if answer.ok:
                            return json.loads(text)
                        if answer.status not in TRY_AGAIN and not _tells_why(text):
                            self.strange.append(f"{method} {path}: {answer.status} {text}")
                        elif answer.status not in TRY_AGAIN:
                            raise Refused(f"{method} {path}: {answer.status} {text}")
                        self.refusals.append((answer.status, answer.headers.get("Retry-After")))
                        wait_s = float(answer.headers.get("Retry-After", RETRY_S))
                except (aiohttp.ClientError, TimeoutError):
                    pass
                self.repeated += 1
                await asyncio.sleep(wait_s)

    async def send(self, session_id: str, text: str) -> str:
        """Send a message; return the id under which it was acknowledged."""
        answer = await self.post(f"/v1/sessions/{session_id}/messages", {"content": text})
        return answer["id"]

    async def log(self, session_id: str) -> list[Event]:
        """Return the session's whole log."""
        events: list[Event] = []
        while True:
            after = events[-1]["sequence"] if events else 0
            path = f"/v1/sessions/{session_id}/events"
            page = (await self.get(path, after_sequence=after, limit=1000))["data"]
            events += page
            if len(page) < 1000:
                return events

    @asynccontextmanager
    async def following(self, session_id: str) -> "AsyncIterator[Follower]":
        """Follow a session's stream until the block ends."""
        follower = Follower(
            lambda: f"{self._address()}/v1/sessions/{session_id}/events", self.strange
        )
        reading = asyncio.create_task(follower.read(self._connections))
        try:
            yield follower
        finally:
            reading.cancel()
            await asyncio.wait([reading])


@dataclass
class Rebuilt:
    """A message's text as its deltas made it.

    Attributes:
        text: What the deltas seen so far come to.
        connection: Number of the connection that brought the last of them.
        finished_on: Number of the connection that brought the finished message.
        deltas: How many came.
    """

    text: str = ""
    connection: int = 0
    finished_on: int | None = None
    deltas: int = 0


class Follower:
    """Reads a session's stream, and connects anew whenever it breaks.

    Attributes:
        events: The durable events that were read, in the order they came.
        seen_at: When each of them came, on the monotonic clock.
        texts: What the deltas of each message came to, by its id.
        connections: How many connections it took.
        arrivals: When each event or delta came.
        ended: How many turns have ended.
        reading: Cleared to read nothing for a while.
    """

    def __init__(self, url: Callable[[], str], strange: list[str]) -> None:
        self.events: list[Event] = []
        self.seen_at: list[float] = []
        self.texts: dict[str, Rebuilt] = {}
        self.connections = 0
        self.arrivals: list[float] = []
        self.ended = 0
        self.reading = asyncio.Event()
        self.reading.set()
        self._url = url
        self._strange = strange
        self._last_id: str | None = None
        self._changed = asyncio.Event()

    async def read(self, connections: aiohttp.ClientSession) -> None:
        """Follow the stream until cancelled."""
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                await self._connect(connections)
            await asyncio.sleep(RETRY_S)

    async def _connect(self, connections: aiohttp.ClientSession) -> None:
        headers = {"Last-Event-ID": self._last_id} if self._last_id else {}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=SILENCE_S)
        async with connections.get(
            self._url(), params={"after_sequence": "0"}, headers=headers, timeout=timeout
        ) as stream:
            if stream.status in TRY_AGAIN:
                return
            if not stream.ok:
                self._strange.append(f"GET {stream.url}: {stream.status} {await stream.text()}")
                return
            self.connections += 1
            async for frame in frames(stream):
                await self.reading.wait()
                if frame["event"] == "disconnecting":
                    return
                if frame["event"] != "connected":
                    self._take(frame)

    def _take(self, frame: dict[str, str]) -> None:
        event = json.loads(frame["data"])
        data = event["data"]
        now = time.monotonic()
        self.arrivals.append(now)
        if event["type"] == "message.delta":
            rebuilt = self.texts.setdefault(data["message_id"], Rebuilt())
            rebuilt.text = rebuilt.text[: data["offset"]] + data["delta"]
            rebuilt.connection = self.connections
            rebuilt.deltas += 1
        elif "sequence" in event:
            self._last_id = frame["id"]
            self.events.append(event)
            self.seen_at.append(now)
            self.ended += event["type"] in ENDS
            if event["type"] == "message.created" and data["message"]["id"] in self.texts:
                self.texts[data["message"]["id"]].finished_on = self.connections
        self._changed.set()

    async def until(self, condition: Callable[[], object], patience_s: float = 60.0) -> None:
        """Return when what was read meets the condition."""
        try:
            async with asyncio.timeout(patience_s):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            read = [event["type"] for event in self.events]
            raise AssertionError(f"Not within {patience_s:g} s; read so far: {read}") from None

    def of_type(self, *types: str) -> list[Event]:
        """Return the durable events of some types."""
        return [event for event in self.events if event["type"] in types]

    async def turn_ended(self, turns: int, patience_s: float = 60.0) -> Event:
        """Return the event that ended the last of so many turns."""
        await self.until(lambda: self.ended >= turns, patience_s)
        return self.of_type(*ENDS)[turns - 1]

    def first_after(self, moment: float) -> float | None:
        """Return when the first event or delta after a moment came."""
        return next((arrival for arrival in self.arrivals if arrival > moment), None)


async def frames(stream: aiohttp.ClientResponse) -> AsyncIterator[dict[str, str]]:
    """Read Server-Sent Events: one dictionary of fields a frame."""
    rest = b""
    async for chunk in stream.content.iter_any():
        rest += chunk
        if len(rest) > MAX_FRAME_BYTES:
            raise Refused("A frame is larger than any event.")
        *complete, rest = rest.split(b"\n\n")
        for block in complete:
            lines = [line for line in block.decode().split("\n") if not line.startswith(":")]
            fields = dict(line.split(": ", 1) for line in lines)
            if "data" in fields:
                yield fields


def _tells_why(text: str) -> bool:
    try:
        return "code" in json.loads(text)["error"]
    except (ValueError, TypeError, KeyError):
        return False


@asynccontextmanager
async def connected(
    address: Callable[[], str], patience_s: float = PATIENCE_S
) -> AsyncIterator[Client]:
    """Return a client whose connections end with the block."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as connections:
        yield Client(address, connections, patience_s)
