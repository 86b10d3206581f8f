"""A wire that breaks at a chosen byte, and a client that goes on after it."""

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import orjson

from everruns.api.http.vocabulary import AS_LOGGED, Vocabulary
from everruns.api.sdk.events import EVERRUNS
from everruns.domain.events import TURN_ENDS
from tests.conversations import Conversation

PATIENCE_S = 60


class Proxy:
    """Passes connections on, and cuts each after so many bytes of the response's body.

    Args:
        port: Where the server is.
        cuts: For each connection, how many bytes of body its client gets; then none is cut.
    """

    def __init__(self, port: int, cuts: Iterator[int]) -> None:
        self._port = port
        self._cuts = cuts
        self._connections: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            if self._connections:
                await asyncio.wait(self._connections, timeout=PATIENCE_S)

    async def _connected(
        self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        connection = asyncio.current_task()
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._port)
        ways = [
            asyncio.create_task(self._pass_on(from_client, to_server)),
            asyncio.create_task(self._pass_body_on(from_server, to_client)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            to_server.transport.abort()
            to_client.close()

    async def _pass_body_on(
        self, from_server: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        to_client.write(await from_server.readuntil(b"\r\n\r\n"))
        await self._pass_on(from_server, to_client, next(self._cuts, None))

    async def _pass_on(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        at_most: int | None = None,
    ) -> None:
        while at_most != 0 and (piece := await source.read(65536)):
            passed = piece[:at_most]
            target.write(passed)
            await target.drain()
            at_most = None if at_most is None else at_most - len(passed)


@dataclass
class Reader:
    """A client that goes by the contract: it resumes after the last frame that came whole.

    Attributes:
        session_id: The session.
        query: Where it begins.
        cursor: How it tells where it stands: by header, or by a query that knows deltas too.
        turns: After the end of so many turns it has read enough.
        pace: Gets a permit with each connection and frame.
        events: The envelopes of durable events, as they came.
        texts: What deltas say, by the message's id and the type of delta.
        deltas: Their ids.
        lengths: How many bytes of body each connection brought.
    """

    vocabulary: ClassVar[Vocabulary] = AS_LOGGED
    stream_path: ClassVar[str] = "/v1/sessions/{}/events"
    list_path: ClassVar[str] = "/v1/sessions/{}/events"

    session_id: str
    query: str = "after_sequence=0"
    cursor: Literal["Last-Event-ID", "since_id"] = "Last-Event-ID"
    turns: int = 1
    pace: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    events: list[bytes] = field(default_factory=list)
    texts: defaultdict[tuple[str, str], str] = field(default_factory=lambda: defaultdict(str))
    lengths: list[int] = field(default_factory=list)
    deltas: list[str] = field(default_factory=list)
    _ended: int = 0
    _last_id: str | None = None
    _live: set[str] = field(default_factory=set)

    async def read(self, port: int) -> None:
        """Connect, once, and read to the end of the turns or of the connection."""
        self.pace.release()
        self._live.clear()
        body = _Body()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        try:
            writer.write(self._request())
            with suppress(asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200 "), head
            while not self.is_complete and (piece := await reader.read(65536)):
                for frame in body.take(piece):
                    self._take(frame)
        finally:
            self.lengths.append(body.length)
            writer.transport.abort()

    def _request(self) -> bytes:
        query, header = self.query, ""
        if self._last_id and self.cursor == "since_id":
            query = f"since_id={self._last_id}"
        elif self._last_id:
            header = f"Last-Event-ID: {self._last_id}\r\n"
        path = self.stream_path.format(self.session_id)
        return f"GET {path}?{query} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n".encode()

    def _take(self, frame: bytes) -> None:
        lines = dict(line.split(b": ", 1) for line in frame.split(b"\n"))
        if lines.get(b"event") == b"connected" or b"" in lines:
            return
        self.pace.release()
        envelope = orjson.loads(lines[b"data"])
        assert lines[b"event"].decode() == envelope["type"]
        if b"id" in lines:
            assert lines[b"id"].decode() == envelope["id"]
        if b"id" in lines or self.cursor == "since_id":
            self._last_id = envelope["id"]
        if self._is_delta(envelope["type"]):
            self._take_delta(envelope)
        else:
            self.events.append(lines[b"data"])
            self._ended += self._ends_turn(envelope["type"])
            self._check_text(envelope)

    async def expected(self, talk: Conversation) -> list[bytes]:
        """The envelopes that it has to get of a whole log."""
        shown, _ = self.vocabulary.begin(talk.id, None).show(await talk.log())
        return [event.body for event in shown]

    def _is_delta(self, kind: str) -> bool:
        return kind.endswith(".delta")

    def _ends_turn(self, kind: str) -> bool:
        return kind in TURN_ENDS

    def _take_delta(self, envelope: dict[str, Any]) -> None:
        data = envelope["data"]
        text = self.texts[data["message_id"], envelope["type"]]
        assert data["offset"] <= len(text), "deltas have a gap"
        rebuilt = text[: data["offset"]] + data["delta"]
        self.texts[data["message_id"], envelope["type"]] = rebuilt
        self._live.add(data["message_id"])
        self.deltas.append(envelope["id"])

    def _check_text(self, envelope: dict[str, Any]) -> None:
        """What was said so far is how the message begins; who read on to its end has all of it."""
        message = envelope["data"].get("message", {"role": ""})
        if message["role"] != "agent":
            return
        said = next(part["text"] for part in message["content"] if part["type"] == "text")
        for kind, whole in (("message.delta", said), ("reasoning.delta", message["thinking"])):
            rebuilt = self.texts[message["id"], kind]
            assert whole.startswith(rebuilt)
            assert rebuilt == whole or message["id"] not in self._live

    @property
    def is_complete(self) -> bool:
        """Whether the end of the last turn has come."""
        return self._ended == self.turns


@dataclass
class SdkReader(Reader):
    """A client of the SDK's face, whose every frame is a place to go on from exactly."""

    vocabulary: ClassVar[Vocabulary] = EVERRUNS
    stream_path: ClassVar[str] = "/api/v1/sessions/{}/sse"
    list_path: ClassVar[str] = "/api/v1/sessions/{}/events"

    _begun: dict[str, str] = field(default_factory=dict)

    def _is_delta(self, kind: str) -> bool:
        text, _, stage = kind.rpartition(".")
        return (
            stage == "delta"
            or kind == "reason.started"
            or (stage == "started" and text in {"reason.thinking", "output.message"})
        )

    def _ends_turn(self, kind: str) -> bool:
        return kind == "session.idled"

    def _take_delta(self, envelope: dict[str, Any]) -> None:
        text, _, stage = envelope["type"].rpartition(".")
        self.deltas.append(envelope["id"])
        if stage == "started":
            assert text not in self._begun, "a text begins once"
            self._begun[text] = ""
        else:
            stretch, accumulated = envelope["data"]["delta"], envelope["data"]["accumulated"]
            if text not in self._begun and "since_id" in self.query:
                self._begun[text] = accumulated.removesuffix(stretch)
            self._begun[text] += stretch
            assert self._begun[text] == accumulated

    def _check_text(self, envelope: dict[str, Any]) -> None:
        """Who saw a text begin has seen all of it before the message is whole."""
        if envelope["type"] == "output.message.completed":
            message = envelope["data"]["message"]
            said = next(part["text"] for part in message["content"] if part["type"] == "text")
            assert self._begun.get("output.message", said) == said
            assert self._begun.get("reason.thinking", message["thinking"]) == message["thinking"]
            self._begun.clear()


class _Body:
    """Frames out of a chunked body that may end anywhere."""

    def __init__(self) -> None:
        self.length = 0
        self._raw = b""
        self._left = 0
        self._text = b""

    def take(self, piece: bytes) -> list[bytes]:
        self.length += len(piece)
        self._raw += piece
        while self._raw:
            if not self._left:
                line = re.match(rb"(?:\r\n)?([0-9a-f]+)\r\n", self._raw)
                if line is None:
                    break
                self._left = int(line[1], 16)
                self._raw = self._raw[line.end() :]
            text, self._raw = self._raw[: self._left], self._raw[self._left :]
            self._text += text
            self._left -= len(text)
        *frames, self._text = self._text.split(b"\n\n")
        return frames
