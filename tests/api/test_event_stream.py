"""A session's log, streamed over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import orjson
import pytest
from fastapi import FastAPI

from everruns.api.app import end_streams
from everruns.api.v1.event_types import Event
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings
from tests.waiting import PATIENCE_S

Wait = Callable[..., Awaitable[None]]


@dataclass
class Frame:
    event: str = ""
    id: str | None = None
    data: dict | None = None
    comment: str | None = None


async def frames(response: httpx.Response) -> AsyncIterator[Frame]:
    frame = Frame()
    async for line in response.aiter_lines():
        field, _, value = line.partition(": ")
        match field:
            case "":
                if value:
                    frame.comment = value
                yield frame
                frame = Frame()
            case "event":
                frame.event = value
            case "id":
                frame.id = value
            case "data":
                assert frame.data is None, "data is one line"
                frame.data = orjson.loads(value)
            case "retry":
                assert value == "100"
            case _:
                raise AssertionError(line)


@asynccontextmanager
async def reading(
    server: httpx.AsyncClient, session_id: str, query: str = "", **headers: str
) -> AsyncIterator[AsyncIterator[Frame]]:
    path = f"/v1/sessions/{session_id}/events{query}"
    async with server.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200
        yield frames(response)


async def until(stream: AsyncIterator[Frame], event: str) -> list[Frame]:
    """Read up to a frame of this type."""
    seen: list[Frame] = []
    async with asyncio.timeout(PATIENCE_S):
        async for frame in stream:
            if frame.event:
                seen.append(frame)
            if frame.event == event:
                return seen
    raise AssertionError(f"no {event} in {seen}")


def durable(seen: list[Frame]) -> list[str]:
    return [frame.event for frame in seen if frame.id]


@pytest.fixture
async def session_id(server: httpx.AsyncClient) -> str:
    return (await server.post("/v1/sessions", json={})).json()["id"]


async def say(server: httpx.AsyncClient, session_id: str, text: str = "hi") -> dict:
    response = await server.post(f"/v1/sessions/{session_id}/messages", json={"content": text})
    assert response.status_code == 201
    return response.json()


async def use_model(server: httpx.AsyncClient, **settings: object) -> None:
    body = {
        "name": "scripted",
        "provider_type": "simulated",
        "is_default": True,
        "settings": settings,
    }
    assert (await server.post("/v1/llm-providers", json=body)).status_code == 201


async def test_a_stream_says_that_it_is_one_and_begins_at_once(
    server: httpx.AsyncClient, session_id: str
):
    async with server.stream("GET", f"/v1/sessions/{session_id}/events") as response:
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["cache-control"] == "no-cache"
        assert response.headers["x-accel-buffering"] == "no"
        first = await anext(frames(response))

    assert first.event == "connected"
    assert first.id is None


async def test_sending_and_then_connecting_misses_nothing(
    server: httpx.AsyncClient, session_id: str
):
    await say(server, session_id)

    async with reading(server, session_id) as stream:
        seen = await until(stream, "session.completed")

    assert durable(seen) == [
        "message.created",
        "session.started",
        "message.created",
        "session.completed",
    ]


async def test_every_frame_is_as_the_document_says(server: httpx.AsyncClient, session_id: str):
    await use_model(server, tokens=20, reasoning="let me see", tokens_per_s=200)
    await say(server, session_id)

    async with reading(server, session_id) as stream:
        seen = await until(stream, "session.completed")

    for frame in seen[1:]:
        Event.model_validate(frame.data)
        assert frame.data["type"] == frame.event
        assert frame.id == (None if frame.event.endswith(".delta") else frame.data["id"])


async def test_deltas_rebuild_the_message(server: httpx.AsyncClient, session_id: str):
    await use_model(server, tokens=50, tokens_per_s=500)
    text = ""

    async with reading(server, session_id) as stream:
        await until(stream, "connected")
        await say(server, session_id)
        seen = await until(stream, "session.completed")
    for frame in seen:
        if frame.event == "message.delta":
            text = text[: frame.data["data"]["offset"]] + frame.data["data"]["delta"]

    stored = [f.data["data"]["message"] for f in seen if f.event == "message.created"][-1]
    assert text == stored["content"][0]["text"]


async def test_a_reader_resumes_after_the_last_event_it_has(
    server: httpx.AsyncClient, session_id: str
):
    await say(server, session_id)
    async with reading(server, session_id) as stream:
        seen = await until(stream, "session.started")
    last = seen[-1].id

    for query, headers in (
        ("", {"Last-Event-ID": last}),
        (f"?since_id={last}", {}),
        ("?after_sequence=2", {}),
        ("?after_sequence=0", {"Last-Event-ID": last}),
    ):
        async with reading(server, session_id, query, **headers) as stream:
            rest = await until(stream, "session.completed")
        assert durable(rest) == ["message.created", "session.completed"]


@pytest.mark.parametrize("last_event_id", ["", "nonsense", "event_" + "0" * 32])
async def test_an_unknown_last_event_id_means_no_cursor(
    server: httpx.AsyncClient, session_id: str, last_event_id: str
):
    await say(server, session_id)

    async with reading(server, session_id, **{"Last-Event-ID": last_event_id}) as stream:
        seen = await until(stream, "session.completed")

    assert len(durable(seen)) == 4


async def test_resuming_from_a_delta_sends_the_message_in_progress_anew(
    server: httpx.AsyncClient, session_id: str
):
    await use_model(server, tokens=2000, tokens_per_s=200)
    await say(server, session_id)
    async with reading(server, session_id) as stream:
        await until(stream, "message.delta")
        seen = await until(stream, "message.delta")
    assert seen[-1].data["data"]["offset"] > 0

    async with reading(server, session_id, f"?since_id={seen[-1].data['id']}") as stream:
        again = await until(stream, "message.delta")

    assert durable(again) == []
    assert again[-1].data["data"]["offset"] == 0


async def test_a_filter_keeps_back_what_is_not_wanted(server: httpx.AsyncClient, session_id: str):
    await use_model(server, tokens=20, tokens_per_s=500)
    await say(server, session_id)

    query = "?exclude=message.delta,message.created&exclude=session.started"
    async with reading(server, session_id, query) as stream:
        seen = await until(stream, "session.completed")

    assert [frame.event for frame in seen] == ["connected", "session.completed"]


async def test_heartbeats_fill_the_silence_even_when_a_filter_makes_it(
    server: httpx.AsyncClient, session_id: str
):
    await use_model(server, tokens=2000, tokens_per_s=200)
    await say(server, session_id)

    async with reading(server, session_id, "?types=session.failed") as stream:
        async for frame in stream:
            if frame.comment:
                break

    assert frame.comment == "heartbeat"


@pytest.mark.parametrize(
    "accept", ["*/*", "text/event-stream", "text/event-stream, application/json", "text/html"]
)
async def test_a_reader_streams_unless_it_prefers_json(
    server: httpx.AsyncClient, session_id: str, accept: str
):
    async with reading(server, session_id, accept=accept) as stream:
        assert (await anext(stream)).event == "connected"


async def test_curl_streams_without_any_header(server: httpx.AsyncClient, session_id: str):
    request = server.build_request("GET", f"/v1/sessions/{session_id}/events")
    del request.headers["accept"]

    response = await server.send(request, stream=True)

    assert response.headers["content-type"] == "text/event-stream"
    await response.aclose()


async def test_the_sdk_face_streams_at_sse(server: httpx.AsyncClient, session_id: str):
    async with server.stream("GET", f"/api/v1/sessions/{session_id}/sse") as response:
        assert (await anext(frames(response))).event == "connected"


async def test_a_missing_session_is_an_error_before_the_first_byte(server: httpx.AsyncClient):
    response = await server.get("/v1/sessions/session_" + "0" * 32 + "/events")

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "SESSION_NOT_FOUND"


async def test_a_reader_that_leaves_frees_its_stream_and_not_its_turn(
    app: FastAPI, server: httpx.AsyncClient, session_id: str, wait_until: Wait
):
    await use_model(server, tokens=100, tokens_per_s=500)
    open_streams = app.state.open_streams
    async with reading(server, session_id) as stream:
        await until(stream, "connected")
        await say(server, session_id)
        await until(stream, "message.delta")
        assert len(open_streams) == 1

    await wait_until(lambda: len(open_streams) == 0)
    async with reading(server, session_id) as stream:
        await until(stream, "session.completed")


async def test_deleting_the_session_ends_its_streams(server: httpx.AsyncClient, session_id: str):
    async with reading(server, session_id) as stream:
        await until(stream, "connected")
        await server.delete(f"/v1/sessions/{session_id}")
        async with asyncio.timeout(PATIENCE_S):
            rest = [frame async for frame in stream if frame.event]

    assert rest == []


async def test_stopping_the_server_sends_readers_elsewhere(
    app: FastAPI, server: httpx.AsyncClient, session_id: str
):
    async with reading(server, session_id) as stream:
        await until(stream, "connected")
        end_streams(app)
        (frame,) = await until(stream, "disconnecting")

    assert frame.data == {"reason": "connection_cycle", "retry_ms": 100}
    assert frame.id is None


class TestShortCycle:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"stream_cycle_s": 0.3})

    async def test_a_long_stream_is_asked_to_reconnect_and_nothing_is_lost(
        self, runtime: LocalRuntime, server: httpx.AsyncClient, session_id: str
    ):
        await use_model(server, tokens=200, tokens_per_s=200)
        await say(server, session_id)
        seen: list[Frame] = []
        cycles = 0

        while not seen or seen[-1].event != "session.completed":
            known = [frame.id for frame in seen if frame.id]
            headers = {"Last-Event-ID": known[-1]} if known else {}
            async with reading(server, session_id, **headers) as stream:
                async for frame in stream:
                    cycles += frame.event == "disconnecting"
                    if frame.id:
                        seen.append(frame)

        assert cycles > 1
        assert [frame.data["sequence"] for frame in seen] == [1, 2, 3, 4]
