"""Following a session: each stored event once, whatever happens to the connection."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.commands import following
from everruns.commands.following import follow
from everruns.commands.server import Server
from everruns.errors import NotFound

SESSION = "session_" + "0" * 32
CONNECTED = b'retry: 100\nevent: connected\ndata: {"status":"connected"}\n\n'
CYCLE = b'event: disconnecting\ndata: {"reason":"connection_cycle","retry_ms":100}\n\n'


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "FIRST_PAUSE_S", 0.0)


def frame(sequence: int) -> bytes:
    event = {"type": "message.created", "sequence": sequence, "data": {"text": "two\nlines {}"}}
    return b"event: message.created\nid: event_%d\ndata: %b\n\n" % (
        sequence,
        json.dumps(event).encode(),
    )


class Cut(httpx.AsyncByteStream):
    """A body that arrives in pieces and may break off."""

    def __init__(self, content: bytes, piece: int, *, breaks: bool) -> None:
        self._content, self._piece, self._breaks = content, piece, breaks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), self._piece):
            yield self._content[start : start + self._piece]
        if self._breaks:
            raise httpx.ReadError("cut")


class Log:
    """A server whose session has a log, and whose connections end as a test wants.

    Args:
        length: The number of events.
        ends: How each connection ends: after so many bytes, or with a status; then all are whole.
        piece: The bytes that arrive at a time.
    """

    def __init__(self, length: int, ends: list[int | str], piece: int = 1000) -> None:
        self._length, self._ends, self._piece = length, list(ends), piece
        self.asked: list[str | None] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        after = request.url.params.get("after_sequence")
        self.asked.append(after)
        begin = int(after) + 1 if after is not None else self._length
        frames = [CONNECTED, b": heartbeat\n\n", *map(frame, range(begin, self._length + 1))]
        body = b"".join(frames)
        match self._ends.pop(0) if self._ends else "whole":
            case "whole":
                return httpx.Response(200, stream=Cut(body + CYCLE, self._piece, breaks=False))
            case "refuses":
                raise httpx.ConnectError("refused")
            case "starting":
                return httpx.Response(503, text="nobody is there")
            case "overloaded":
                error = {"message": "Too many.", "code": "TOO_MANY_REQUESTS"}
                return httpx.Response(429, json={"error": error})
            case "deleted":
                error = {"message": "Session not found", "code": "SESSION_NOT_FOUND"}
                return httpx.Response(404, json={"error": error})
            case bytes_sent:
                cut = Cut(body[: int(bytes_sent)], self._piece, breaks=True)
                return httpx.Response(200, stream=cut)


async def followed(log: Log, after: int | None, until: int) -> tuple[list[int], list[str]]:
    reasons: list[str] = []
    seen: list[int] = []
    async with (
        Server("http://server", transport=httpx.MockTransport(log.answer)) as server,
        aclosing(follow(server, SESSION, after, interrupted=reasons.append)) as events,
    ):
        async for event in events:
            seen.append(event["sequence"])
            if event["sequence"] == until:
                break
    return seen, reasons


@given(
    length=st.integers(1, 8),
    ends=st.lists(
        st.integers(0, 900) | st.sampled_from(["refuses", "starting", "overloaded"]), max_size=6
    ),
    piece=st.integers(1, 300),
    data=st.data(),
)
async def test_no_event_is_lost_or_doubled(
    length: int, ends: list[int | str], piece: int, data: st.DataObject
):
    after = data.draw(st.integers(0, length - 1))
    seen, _ = await followed(Log(length, ends, piece), after, until=length)

    assert seen == list(range(after + 1, length + 1))


async def test_a_connection_that_the_server_cycles_is_no_interruption():
    log = Log(3, ["whole"])

    async with Server("http://server", transport=httpx.MockTransport(log.answer)) as server:
        reasons: list[str] = []
        async with aclosing(follow(server, SESSION, 0, interrupted=reasons.append)) as events:
            async for event in events:
                if event["sequence"] == 3 and len(log.asked) == 1:
                    log._length = 4
                if event["sequence"] == 4:
                    break

    assert log.asked == ["0", "3"]
    assert reasons == []


async def test_a_lost_connection_is_told():
    _, reasons = await followed(Log(2, ["refuses", 0]), 0, until=2)

    assert len(reasons) == 2
    assert "No server answers at http://server" in reasons[0]


async def test_without_a_cursor_it_begins_where_the_server_does_and_goes_on_from_there():
    log = Log(5, [])

    seen, _ = await followed(log, None, until=5)

    assert (seen, log.asked) == ([5], [None])


async def test_it_ends_when_the_session_is_deleted():
    log = Log(2, ["whole", "deleted"])

    with pytest.raises(NotFound, match=r"Session not found\. .*\(SESSION_NOT_FOUND\)"):
        await followed(log, 0, until=3)
