"""A session's log as the SDK's face lists it."""

import re
from typing import Any

import everruns_sdk
import httpx
import pytest

from everruns.api.sdk.event_types import SdkEvent

SCRIPT = [
    {"reasoning": "let me add", "tool_calls": [{"name": "add", "arguments": {"a": 19, "b": 23}}]},
    {"text": "It is Forty-two."},
]
TURN = [
    "input.message",
    "session.activated",
    "turn.started",
    "reason.thinking.completed",
    "reason.completed",
    "output.message.completed",
    "act.started",
    "tool.started",
    "tool.completed",
    "reason.completed",
    "output.message.completed",
    "turn.completed",
    "session.idled",
]
NOBODYS_TURN = "turn_00000000000000000000000000000000"


@pytest.fixture
async def path(client: httpx.AsyncClient) -> str:
    """A session with one finished turn that called a tool."""
    provider = {
        "name": "scripted",
        "provider_type": "simulated",
        "is_default": True,
        "settings": {"script": SCRIPT},
    }
    assert (await client.post("/v1/llm-providers", json=provider)).status_code == 201
    wanted = {"capabilities": ["test_math"]}
    session = (await client.post("/v1/sessions", json=wanted)).json()
    body = {"content": "What is 19 and 23?"}
    await client.post(f"/v1/sessions/{session['id']}/messages", json=body)
    path = f"/api/v1/sessions/{session['id']}/events"
    while "session.idled" not in types(await listed(client, path)):
        pass
    return path


async def listed(client: httpx.AsyncClient, path: str, **query: Any) -> list[dict]:
    response = await client.get(path, params=query)
    assert response.status_code == 200, response.text
    return response.json()["data"]


def types(events: list[dict]) -> list[str]:
    return [event["type"] for event in events]


async def test_a_turn_is_listed_in_the_sdks_words(client: httpx.AsyncClient, path: str):
    events = await listed(client, path)

    assert types(events) == TURN
    assert [event["sequence"] for event in events] == [
        *(16, 17, 32, 33, 34, 35, 48),
        *(64, 80, 81, 96, 97, 112),
    ]
    assert [event["id"] for event in events] == sorted({event["id"] for event in events})


async def test_every_event_is_as_documented_and_as_the_sdk_reads_it(
    client: httpx.AsyncClient, path: str
):
    for event in await listed(client, path):
        SdkEvent.model_validate(event)
        read = everruns_sdk.Event(**event)
        assert read.context.turn_id.startswith("turn_")
        assert path.split("/")[-2] == read.session_id


async def test_a_list_goes_on_after_any_event(client: httpx.AsyncClient, path: str):
    events = await listed(client, path)

    for place, event in enumerate(events, 1):
        assert await listed(client, path, since_id=event["id"]) == events[place:]


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
async def test_pages_hold_everything_once(client: httpx.AsyncClient, path: str, limit: int):
    events = await listed(client, path)
    forwards: list[dict] = []
    while page := await listed(
        client, path, limit=limit, after_sequence=forwards[-1]["sequence"] if forwards else 0
    ):
        assert len(page) == limit or page[-1] == events[-1]
        forwards += page
    backwards: list[dict] = []
    while page := await listed(
        client,
        path,
        limit=limit,
        before_sequence=backwards[0]["sequence"] if backwards else 1000,
    ):
        assert len(page) == limit or page[0] == events[0]
        backwards = page + backwards

    assert forwards == backwards == events


async def test_the_newest_can_come_first(client: httpx.AsyncClient, path: str):
    events = await listed(client, path)

    assert await listed(client, path, order_desc="true") == events[::-1]
    newest = await listed(client, path, order_desc="true", limit=1)
    assert types(newest) == ["session.idled"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"types": "turn.completed"}, ["turn.completed"]),
        ({"types": ["turn.started", "session.idled"]}, ["turn.started", "session.idled"]),
        ({"types": "turn.started,session.idled"}, ["turn.started", "session.idled"]),
        ({"types": "output.message.delta"}, []),
        ({"types": "turn.started", "exclude": "turn.started"}, []),
        ({"types": "input.message", "limit": 1}, ["input.message"]),
        ({"after_sequence": 64, "before_sequence": 81}, ["tool.completed"]),
        ({"after_sequence": 17, "before_sequence": 33}, ["turn.started"]),
        ({"tool_name": "add"}, ["tool.started", "tool.completed"]),
        ({"tool_name": "subtract"}, []),
        ({"q": "forty-TWO"}, ["output.message.completed"]),
        ({"q": "turn_id"}, []),
        ({"q": "42", "tool_name": "add"}, ["tool.completed"]),
        ({"q": ""}, TURN),
        ({"turn_id": NOBODYS_TURN}, []),
        ({"exec_id": "x"}, []),
        ({"trace_id": "x"}, []),
        ({"tags": "x"}, []),
        ({"from_ts": "2999-01-01T00:00:00Z"}, []),
        ({"to_ts": "2999-01-01T00:00:00+01:00"}, TURN),
        ({"to_ts": "2001-01-01T00:00:00.000Z"}, []),
        ({"unknown": "parameter"}, TURN),
    ],
)
async def test_a_query_narrows_the_list(
    client: httpx.AsyncClient, path: str, query: dict[str, Any], found: list[str]
):
    assert types(await listed(client, path, **query)) == found


async def test_all_but_some_types_can_be_listed(client: httpx.AsyncClient, path: str):
    events = await listed(client, path, exclude=["output.message.completed", "session.idled"])

    assert types(events) == [
        kind for kind in TURN if kind not in {"output.message.completed", "session.idled"}
    ]


async def test_a_turns_events_and_those_of_a_time_can_be_listed(
    client: httpx.AsyncClient, path: str
):
    events = await listed(client, path)
    turn_id = events[0]["context"]["turn_id"]

    assert await listed(client, path, turn_id=turn_id) == events
    last = events[-1]["ts"]
    since = await listed(client, path, from_ts=last)
    assert since == [event for event in events if event["ts"] >= last]
    until = await listed(client, path, to_ts=events[0]["ts"])
    assert until == [event for event in events if event["ts"] <= events[0]["ts"]]


async def test_events_around_one_are_listed(client: httpx.AsyncClient, path: str):
    events = await listed(client, path)
    result = TURN.index("tool.completed")

    around = await listed(client, path, around=events[result]["id"], window=1)
    assert types(around) == [
        "tool.started",
        "tool.completed",
        "reason.completed",
    ]
    alone = await listed(client, path, around=events[result]["id"], window=0)
    assert types(alone) == ["tool.completed"]
    # An event that shares its place in the log with another one.
    part = await listed(client, path, around=events[1]["id"], window=1, order_desc="true")
    assert types(part) == ["turn.started", "session.activated", "input.message"]


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("since_id=event_1", "INVALID_CURSOR", "since_id"),
        ("around=event_1", "INVALID_CURSOR", "around"),
        ("from_ts=yesterday", "INVALID_CURSOR", "from_ts"),
        ("to_ts=2026-01-01T00:00:00", "INVALID_CURSOR", "to_ts"),
        ("types=message.created", "INVALID_REQUEST", "types"),
        ("exclude=message.delta", "INVALID_REQUEST", "exclude"),
        ("window=501", "INVALID_REQUEST", "window"),
        ("limit=1001", "INVALID_REQUEST", "limit"),
        ("order_desc=yes", "INVALID_REQUEST", "order_desc"),
        ("q=" + 257 * "x", "INVALID_REQUEST", "q"),
        ("turn_id=x", "INVALID_REQUEST", "turn_id"),
    ],
)
async def test_a_wrong_query_is_refused(
    client: httpx.AsyncClient, path: str, query: str, code: str, field: str
):
    response = await client.get(f"{path}?{query}")

    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == code
    assert error["message"].startswith(f"{field}: ")


@pytest.mark.parametrize("query", ["", "?exec_id=x", "?types=turn.started&exclude=turn.started"])
async def test_a_missing_session_is_not_found_whatever_is_asked(
    client: httpx.AsyncClient, query: str
):
    response = await client.get(f"/api/v1/sessions/session_{32 * '0'}/events{query}")

    assert response.status_code == 404


async def test_the_specifications_list_keeps_its_words_and_its_parameters(
    client: httpx.AsyncClient, path: str
):
    plain = path.removeprefix("/api")
    headers = {"Accept": "application/json"}
    response = await client.get(plain, headers=headers)
    foreign = await client.get(plain, params={"q": "nothing"}, headers=headers)

    assert foreign.status_code == 400
    assert types(response.json()["data"])[:2] == ["message.created", "session.started"]
    assert len(response.json()["data"]) == 7
    wrong = await client.get(plain, params={"types": "turn.started"}, headers=headers)
    assert wrong.status_code == 400


async def test_error_codes_are_lower_case(client: httpx.AsyncClient):
    wanted = {"name": "failing", "provider_type": "simulated", "is_default": True}
    wanted["settings"] = {"fail": {"code": "PROVIDER_UNAUTHORIZED"}}
    await client.post("/v1/llm-providers", json=wanted)
    session = (await client.post("/v1/sessions", json={})).json()
    await client.post(f"/v1/sessions/{session['id']}/messages", json={"content": "hi"})
    path = f"/api/v1/sessions/{session['id']}/events"
    while not (failed := await listed(client, path, types="turn.failed")):
        pass

    assert failed[0]["data"]["error_code"] == "provider_unauthorized"
    assert isinstance(failed[0]["data"]["error"], str)


class TestListLimits:
    """The SDK asks for no second page, so its face returns all there is at once."""

    @pytest.fixture
    async def many(self, client: httpx.AsyncClient) -> str:
        """Twenty-one agents and one with as many sessions; returns its id."""
        for number in range(21):
            body = {"name": f"agent-{number}", "system_prompt": "."}
            agent = (await client.post("/v1/agents", json=body)).json()
        for _ in range(21):
            await client.post(f"/v1/agents/{agent['id']}/sessions", json={})
        return agent["id"]

    async def test_lists_without_a_limit(self, client: httpx.AsyncClient, many: str):
        for path in ("/agents", "/sessions", f"/agents/{many}/sessions"):
            assert len((await client.get(f"/v1{path}")).json()["data"]) == 20
            page = (await client.get(f"/api/v1{path}")).json()
            assert (len(page["data"]), page["limit"]) == (21, 1000)

    async def test_limits_have_a_limit(self, client: httpx.AsyncClient):
        assert (await client.get("/v1/agents?limit=101")).status_code == 400
        assert (await client.get("/api/v1/agents?limit=1000")).status_code == 200
        assert (await client.get("/api/v1/agents?limit=1001")).status_code == 400

    def test_every_list_of_the_face_has_them(self, app: Any):
        for route, operations in app.openapi()["paths"].items():
            limits = [
                parameter["schema"]
                for parameter in operations.get("get", {}).get("parameters", [])
                if parameter["name"] == "limit"
            ]
            if re.match("/api/v1/", route):
                assert all(limit["default"] == limit["maximum"] == 1000 for limit in limits)
