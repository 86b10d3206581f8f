"""Lists of sessions over HTTP: filters and order, on both faces."""

import httpx
import pytest

from everruns.ids import format_time, now_ms
from tests.waiting import eventually

FACES = ["/v1", "/api/v1"]


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> str:
    return request.param


async def created(client: httpx.AsyncClient, face: str, **fields: object) -> dict:
    response = await client.post(f"{face}/sessions", json=fields)
    assert response.status_code == 201, response.text
    return response.json()


async def ids(client: httpx.AsyncClient, path: str, **query: object) -> list[str]:
    response = await client.get(path, params=query)
    assert response.status_code == 200, response.text
    page = response.json()
    assert page["total"] == len(page["data"])
    return [session["id"] for session in page["data"]]


async def eventually_found(
    client: httpx.AsyncClient, path: str, count: int, **query: object
) -> None:
    for _ in range(5000):
        if len(await ids(client, path, **query)) == count:
            return
    raise AssertionError(f"there are no {count} sessions with {query}")


async def test_a_session_says_for_which_end_user_it_is(client: httpx.AsyncClient, face: str):
    session = await created(client, face, end_user="customer-42", tags=["vip"])
    nobody = await created(client, face)

    assert session["end_user"] == "customer-42"
    assert "end_user" not in nobody
    read = (await client.get(f"{face}/sessions/{session['id']}")).json()
    listed = (await client.get(f"{face}/sessions", params={"end_user": "customer-42"})).json()
    assert [read] == listed["data"] == [session]


async def test_sessions_are_found_by_tags_status_and_waiting(client: httpx.AsyncClient, face: str):
    both = await created(client, face, tags=["vip", "refund"])
    vip = await created(client, face, tags=["vip"])
    path = f"{face}/sessions"

    assert await ids(client, path, tag="vip") == [vip["id"], both["id"]]
    assert await ids(client, path, tag=["vip", "refund"]) == [both["id"]]
    assert await ids(client, path, tag="none") == []
    assert await ids(client, path, status="started") == [vip["id"], both["id"]]
    assert await ids(client, path, status="waitingfortoolresults") == []
    assert await ids(client, path, waiting="true") == []


async def test_sessions_are_found_by_how_their_last_turn_ended(
    client: httpx.AsyncClient, face: str
):
    failing = {"name": "failing", "settings": {"fail": {"code": "PROVIDER_REJECTED"}}}
    for provider in (failing, {"name": "talking", "settings": {"reply": "Yes."}}):
        await client.post(f"{face}/llm-providers", json=provider | {"provider_type": "simulated"})
    path = f"{face}/sessions"
    found: dict[str, str] = {}
    for name in ("failing", "talking"):
        found[name] = (await created(client, face, model_id=f"{name}/simulated-1"))["id"]
        await client.post(f"{path}/{found[name]}/messages", json={"content": "Is it?"})
    await created(client, face)
    # Both have ended.
    await eventually_found(client, path, 2, status="idle")

    assert await ids(client, path, last_outcome="failed") == [found["failing"]]
    assert await ids(client, path, last_outcome="completed") == [found["talking"]]
    assert await ids(client, path, last_outcome="cancelled") == []
    read = (await client.get(f"{path}/{found['failing']}")).json()
    assert (read["status"], read["last_outcome"]) == ("idle", "failed")


async def test_sessions_are_sorted_and_bounded_by_time(client: httpx.AsyncClient, face: str):
    first, second = await created(client, face), await created(client, face)
    path = f"{face}/sessions"
    # What changes within a millisecond is sorted by id.
    await eventually(lambda: format_time(now_ms()) > second["updated_at"])
    changed = await client.patch(f"{path}/{first['id']}", json={"title": "changed"})
    moment = changed.json()["updated_at"]

    assert await ids(client, path) == [second["id"], first["id"]]
    assert await ids(client, path, order="asc") == [first["id"], second["id"]]
    assert await ids(client, path, sort="updated") == [first["id"], second["id"]]
    assert first["id"] in await ids(client, path, updated_after=moment)
    assert first["id"] not in await ids(client, path, updated_before=moment)
    assert await ids(client, path, created_after="2100-01-01T00:00:00Z") == []


async def test_an_agents_sessions_are_filtered_too(client: httpx.AsyncClient, face: str):
    agent = (await client.post(f"{face}/agents", json={"name": "clerk"})).json()
    path = f"{face}/agents/{agent['id']}/sessions"
    session = (await client.post(path, json={"tags": ["vip"], "end_user": "alice"})).json()
    await client.post(path, json={})
    await created(client, face, tags=["vip"])

    assert await ids(client, path, tag="vip") == [session["id"]]
    assert await ids(client, path, end_user="alice") == [session["id"]]


@pytest.mark.parametrize(
    "query",
    [
        {"status": "open"},
        {"last_outcome": "lost"},
        {"waiting": "yes"},
        {"created_after": "yesterday"},
        {"updated_before": "2026-01-01"},
        {"sort": "title"},
        {"order": "up"},
        {"end_user": ""},
        {"tag": "x" * 257},
        {"tag": ["x"] * 21},
    ],
    ids=lambda query: next(iter(query)),
)
async def test_a_filter_that_means_nothing_is_refused_by_name(
    client: httpx.AsyncClient, face: str, query: dict
):
    response = await client.get(f"{face}/sessions", params=query)

    assert response.status_code == 400
    assert next(iter(query)) in response.json()["error"]["message"]


async def test_a_wrong_kind_of_wait_is_told_the_right_ones(client: httpx.AsyncClient, face: str):
    response = await client.get(f"{face}/sessions?waiting=yes")

    assert response.json()["error"]["message"] == (
        "waiting: must be one of tool_call, question, approval, true"
    )


async def test_a_session_can_be_created_in_a_shared_workspace(client: httpx.AsyncClient, face: str):
    workspace = (await client.post("/api/v1/workspaces", json={"name": "shared"})).json()
    agent = (await client.post(f"{face}/agents", json={"name": "clerk"})).json()

    alone = await created(client, face, workspace_id=workspace["id"])
    nested = await client.post(
        f"{face}/agents/{agent['id']}/sessions", json={"workspace_id": workspace["id"]}
    )

    assert alone["workspace_id"] == nested.json()["workspace_id"] == workspace["id"]
    unknown = await client.post(f"{face}/sessions", json={"workspace_id": "workspace_" + "0" * 32})
    assert unknown.status_code == 404


async def test_a_session_is_changed_and_shown_changed(client: httpx.AsyncClient, face: str):
    session = await created(client, face, title="Old", tags=["a"], metadata={"order": 17})
    path = f"{face}/sessions/{session['id']}"
    fields = {"title": "New", "tags": ["b"], "metadata": {"order": 18}, "locale": "de"}

    changed = await client.patch(path, json=fields)

    assert changed.status_code == 200
    assert changed.json() == (await client.get(path)).json()
    assert changed.json() | fields == changed.json()
    assert changed.json()["updated_at"] >= session["updated_at"]
    assert await ids(client, f"{face}/sessions", tag="b") == [session["id"]]
    assert await ids(client, f"{face}/sessions", tag="a") == []


async def test_null_removes_a_field_of_a_session(client: httpx.AsyncClient, face: str):
    session = await created(client, face, title="Old", tags=["a"], metadata={"order": 17})

    removed = await client.patch(
        f"{face}/sessions/{session['id']}", json={"title": None, "tags": None, "metadata": None}
    )

    assert "title" not in removed.json()
    assert (removed.json()["tags"], removed.json()["metadata"]) == ([], {})


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"model_id": "nope/x"}, 400),
        ({"capabilities": ["nope"]}, 400),
        ({"controls": {"warmth": 1}}, 400),
        ({"metadata": {"x": "x" * 70_000}}, 400),
        ({"title": ""}, 400),
        ({"max_iterations": 0}, 400),
        ({"system_prompt": "x" * 1024 * 1024, "tools": []}, 200),
    ],
)
async def test_a_change_has_the_limits_of_a_new_session(
    client: httpx.AsyncClient, face: str, fields: dict, status: int
):
    session = await created(client, face)

    changed = await client.patch(f"{face}/sessions/{session['id']}", json=fields)

    assert changed.status_code == status, changed.text


async def test_an_unknown_session_cannot_be_changed(client: httpx.AsyncClient, face: str):
    changed = await client.patch(f"{face}/sessions/session_{'0' * 32}", json={"title": "x"})

    assert changed.status_code == 404
