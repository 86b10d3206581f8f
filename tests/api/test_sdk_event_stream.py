"""A session's log as the SDK streams it: its own client, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import everruns_sdk
import httpx
import pytest
from everruns_sdk.sse import EventStream, StreamOptions

SLOW = {"reasoning": "let me see", "tokens": 60, "tokens_per_s": 300}
TEXTS = {"reason.thinking", "output.message"}


@pytest.fixture
async def sdk(server: httpx.AsyncClient) -> AsyncIterator[everruns_sdk.Everruns]:
    sdk = everruns_sdk.Everruns(api_key="none", base_url=f"{server.base_url}/api")
    yield sdk
    await sdk.close()


@pytest.fixture
async def session_id(server: httpx.AsyncClient) -> str:
    return (await server.post("/v1/sessions", json={})).json()["id"]


async def use_model(server: httpx.AsyncClient, **settings: Any) -> None:
    body = {"name": "scripted", "provider_type": "simulated", "is_default": True}
    response = await server.post("/v1/llm-providers", json={**body, "settings": settings})
    assert response.status_code == 201


async def say(server: httpx.AsyncClient, session_id: str, text: str = "hi") -> None:
    response = await server.post(f"/v1/sessions/{session_id}/messages", json={"content": text})
    assert response.status_code == 201


async def read(
    sdk: everruns_sdk.Everruns,
    session_id: str,
    until: Callable[[everruns_sdk.Event], bool] = lambda event: event.type == "session.idled",
    **options: Any,
) -> list[everruns_sdk.Event]:
    """Read a new stream up to an event."""
    seen: list[everruns_sdk.Event] = []
    stream = EventStream(sdk, session_id, StreamOptions(**options))
    async with asyncio.timeout(20):
        async for event in stream:
            seen.append(event)
            if until(event):
                break
    stream.stop()
    await stream.aclose()
    return seen


def lasting(events: list[everruns_sdk.Event]) -> list[everruns_sdk.Event]:
    passing = {f"{text}.{stage}" for text in TEXTS for stage in ("started", "delta")}
    return [event for event in events if event.type not in {"reason.started", *passing}]


def written(events: list[everruns_sdk.Event], text: str = "output.message") -> str:
    return "".join(event.data["delta"] for event in events if event.type == f"{text}.delta")


async def test_a_turn_is_streamed_as_it_is_listed(
    server: httpx.AsyncClient, sdk: everruns_sdk.Everruns, session_id: str
):
    await use_model(server, **SLOW)
    await say(server, session_id)

    seen = await read(sdk, session_id)

    assert lasting(seen) == await sdk.events.list(session_id)
    assert [event.id for event in seen] == sorted({event.id for event in seen})
    completed = next(event for event in seen if event.type == "output.message.completed")
    assert written(seen) == completed.data["message"]["content"][0]["text"]
    assert written(seen, "reason.thinking") == completed.data["message"]["thinking"]


async def test_a_stream_goes_on_after_any_event(
    server: httpx.AsyncClient, sdk: everruns_sdk.Everruns, session_id: str
):
    await use_model(server, **SLOW)
    await say(server, session_id)
    seen: list[everruns_sdk.Event] = []

    while not seen or seen[-1].type != "session.idled":
        wanted = {"since_id": seen[-1].id} if seen else {}
        seen += await read(sdk, session_id, lambda _: True, **wanted)

    assert lasting(seen) == await sdk.events.list(session_id)
    assert [event.id for event in seen] == sorted({event.id for event in seen})
    completed = next(event for event in seen if event.type == "output.message.completed")
    began = [event.type for event in seen if event.type.endswith(".started")]
    assert len(began) == len(set(began))
    assert written(seen) in {"", completed.data["message"]["content"][0]["text"]}


async def test_a_browser_goes_on_after_any_frame(
    server: httpx.AsyncClient, sdk: everruns_sdk.Everruns, session_id: str
):
    await say(server, session_id)
    events = lasting(await read(sdk, session_id))

    for place, event in enumerate(events[:-1], 1):
        path = f"/api/v1/sessions/{session_id}/sse"
        headers = {"Last-Event-ID": event.id}
        ids: list[str] = []
        async with server.stream("GET", path, headers=headers) as response:
            async for line in response.aiter_lines():
                if line.startswith("id: "):
                    ids.append(line.removeprefix("id: "))
                if ids and ids[-1] == events[-1].id:
                    break
        assert ids == [event.id for event in events[place:]]


async def test_a_reader_that_drops_what_it_has_seen_by_sequence_loses_nothing(
    server: httpx.AsyncClient, sdk: everruns_sdk.Everruns, session_id: str
):
    await use_model(server, **SLOW)
    await say(server, session_id)

    kept: list[everruns_sdk.Event] = []
    newest = 0
    for event in await read(sdk, session_id):
        if event.sequence is None or event.sequence > newest:
            kept.append(event)
            newest = event.sequence or newest

    assert lasting(kept) == await sdk.events.list(session_id)
    (message,) = [said for said in await sdk.messages.list(session_id) if said.role == "agent"]
    assert written(kept) == message.content[0].text


async def test_a_stream_goes_on_after_any_sequence(
    server: httpx.AsyncClient, sdk: everruns_sdk.Everruns, session_id: str
):
    await say(server, session_id)
    events = lasting(await read(sdk, session_id))

    for place, event in enumerate(events[:-1], 1):
        rest = await read(sdk, session_id, after_sequence=event.sequence)
        assert rest == events[place:]


async def test_filters_name_what_is_shown(
    server: httpx.AsyncClient, sdk: everruns_sdk.Everruns, session_id: str
):
    await use_model(server, **SLOW)
    await say(server, session_id)

    some = await read(sdk, session_id, types=["turn.started", "session.idled"])
    others = await read(sdk, session_id, exclude=["output.message.delta", "turn.started"])

    assert [event.type for event in some] == ["turn.started", "session.idled"]
    assert {event.type for event in others}.isdisjoint({"output.message.delta", "turn.started"})
    assert "session.activated" in {event.type for event in others}


async def test_only_deltas_rebuild_the_text(
    server: httpx.AsyncClient, sdk: everruns_sdk.Everruns, session_id: str
):
    await use_model(server, **SLOW)
    await say(server, session_id)

    types = ["output.message.delta", "session.idled"]
    seen = await read(sdk, session_id, types=types)

    assert seen[-2].data["accumulated"] == written(seen)
    (message,) = [said for said in await sdk.messages.list(session_id) if said.role == "agent"]
    assert message.content[0].text == written(seen)


async def test_an_unknown_type_is_refused(server: httpx.AsyncClient, session_id: str):
    response = await server.get(f"/api/v1/sessions/{session_id}/sse?types=message.created")

    assert response.status_code == 400


async def test_the_agent_client_runs_a_turn(server: httpx.AsyncClient):
    """Its ``run`` over the routes of sessions, which its channels have as well."""
    async with everruns_sdk.AgentClient(f"{server.base_url}/api/v1", "key") as agent:
        reply = await agent.run("hello")
        session_id = (await agent.list_sessions())["data"][0]["id"]
        again = await agent.run("again", session_id)

    assert "hello" in reply
    assert "again" in again
