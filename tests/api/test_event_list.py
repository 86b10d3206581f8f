"""A session's log, listed."""

import httpx
import pytest

from everruns.api.v1.event_types import Event
from everruns.ids import event_id

JSON = {"Accept": "application/json"}


@pytest.fixture
async def path(client: httpx.AsyncClient) -> str:
    """A session with one finished turn: four events."""
    session = (await client.post("/v1/sessions", json={})).json()
    await client.post(f"/v1/sessions/{session['id']}/messages", json={"content": "hi"})
    path = f"/v1/sessions/{session['id']}/events"
    while len(await events(client, path)) < 4:
        pass
    return path


async def events(client: httpx.AsyncClient, path: str, query: str = "") -> list[dict]:
    response = await client.get(path + query, headers=JSON)
    assert response.status_code == 200, response.text
    return response.json()["data"]


def types(listed: list[dict]) -> list[str]:
    return [event["type"] for event in listed]


async def test_the_log_is_listed_oldest_first(client: httpx.AsyncClient, path: str):
    listed = await events(client, path)

    assert types(listed) == [
        "message.created",
        "session.started",
        "message.created",
        "session.completed",
    ]
    assert [event["sequence"] for event in listed] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "accept",
    [
        "application/json",
        "application/json, text/plain, */*",
        "text/event-stream;q=0.5, application/json",
        "Application/JSON; charset=utf-8, text/event-stream;q=bad",
    ],
)
async def test_a_reader_that_prefers_json_gets_a_list(
    client: httpx.AsyncClient, path: str, accept: str
):
    response = await client.get(path, headers={"Accept": accept})

    assert response.headers["content-type"] == "application/json"


async def test_every_event_is_as_the_document_says(client: httpx.AsyncClient, path: str):
    for event in await events(client, path):
        Event.model_validate(event)


@pytest.mark.parametrize(
    ("query", "sequences"),
    [
        ("?limit=2", [1, 2]),
        ("?after_sequence=2", [3, 4]),
        ("?before_sequence=3", [1, 2]),
        ("?before_sequence=4&limit=1", [3]),
        ("?after_sequence=1&before_sequence=4&limit=1", [2]),
        ("?types=message.created", [1, 3]),
        ("?types=session.started,session.completed", [2, 4]),
        ("?types=session.started&types=session.completed", [2, 4]),
        ("?exclude=message.created", [2, 4]),
        ("?types=message.delta", []),
        ("?turn_id=turn_00000000000000000000000000000000", []),
    ],
)
async def test_a_query_narrows_the_list(
    client: httpx.AsyncClient, path: str, query: str, sequences: list[int]
):
    assert [event["sequence"] for event in await events(client, path, query)] == sequences


async def test_a_turns_events_can_be_listed(client: httpx.AsyncClient, path: str):
    turn = (await events(client, path))[-1]["context"]["turn_id"]

    assert len(await events(client, path, f"?turn_id={turn}")) == 4


async def test_an_event_id_is_a_cursor(client: httpx.AsyncClient, path: str):
    second = (await events(client, path))[1]["id"]

    assert [e["sequence"] for e in await events(client, path, f"?since_id={second}")] == [3, 4]


async def test_the_sdk_face_always_lists(client: httpx.AsyncClient, path: str):
    response = await client.get(f"/api{path}", headers={"Accept": "text/event-stream"})

    assert response.headers["content-type"] == "application/json"
    assert len(response.json()["data"]) == 7


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("?since_id=event_1", "INVALID_CURSOR", "since_id"),
        ("?since_id=", "INVALID_CURSOR", "since_id"),
        ("?since_id=" + event_id("session_other", 1_700_000, 1), "INVALID_CURSOR", "since_id"),
        ("?after_sequence=-1", "INVALID_CURSOR", "after_sequence"),
        ("?after_sequence=one", "INVALID_CURSOR", "after_sequence"),
        ("?after_sequence=99999999999999999999", "INVALID_CURSOR", "after_sequence"),
        ("?before_sequence=x", "INVALID_REQUEST", "before_sequence"),
        ("?types=message.created,nothing", "INVALID_REQUEST", "types"),
        ("?exclude=nothing", "INVALID_REQUEST", "exclude"),
        ("?limit=0", "INVALID_REQUEST", "limit"),
        ("?limit=1001", "INVALID_REQUEST", "limit"),
        ("?turn_id=x", "INVALID_REQUEST", "turn_id"),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_a_wrong_query_is_refused(
    client: httpx.AsyncClient, path: str, query: str, code: str, field: str, accept: str
):
    response = await client.get(path + query, headers={"Accept": accept})

    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == code
    assert error["message"].startswith(f"{field}: ")


async def test_a_stream_of_the_sdk_at_the_wrong_base_url_is_told_the_right_one(
    client: httpx.AsyncClient, path: str
):
    response = await client.get(path.replace("events", "sse"))

    assert response.status_code == 404
    assert "/api" in response.json()["error"]["message"]


async def test_the_list_has_a_route_that_needs_no_header(client: httpx.AsyncClient, path: str):
    by_header = await client.get(path, headers={"Accept": "application/json"})
    for accept in ("*/*", "text/event-stream"):
        response = await client.get(f"{path}/list", headers={"Accept": accept})

        assert response.headers["content-type"] == "application/json"
        assert response.json() == by_header.json()


@pytest.mark.parametrize("query", ["limit=5", "before_sequence=2", f"turn_id=turn_{'0' * 32}"])
async def test_a_stream_refuses_what_is_for_lists(client: httpx.AsyncClient, path: str, query: str):
    response = await client.get(f"{path}?{query}", headers={"Accept": "text/event-stream"})

    assert response.status_code == 400
    message = response.json()["error"]["message"]
    assert message.startswith(f"{query.partition('=')[0]}: is for lists of events")
    assert "/events/list" in message
