"""Workspaces over HTTP: those that were created, and those of sessions."""

import httpx
import pytest

UNKNOWN = "workspace_" + "0" * 32
WORKSPACES, SESSIONS = "/api/v1/workspaces", "/api/v1/sessions"


@pytest.fixture
async def workspace(client: httpx.AsyncClient) -> dict:
    body = {"name": "Report", "description": "for all"}
    return (await client.post(WORKSPACES, json=body)).json()


@pytest.fixture
async def session(client: httpx.AsyncClient) -> dict:
    return (await client.post(SESSIONS, json={"title": "Talk"})).json()


async def ids(client: httpx.AsyncClient, query: str = "") -> list[str]:
    return [found["id"] for found in (await client.get(WORKSPACES + query)).json()["data"]]


async def test_a_created_workspace_is_read_back(client: httpx.AsyncClient, workspace: dict):
    read = await client.get(f"{WORKSPACES}/{workspace['id']}")

    assert read.json() == workspace
    assert workspace["status"] == "active"
    assert (workspace["name"], workspace["description"]) == ("Report", "for all")
    assert "session_id" not in workspace


async def test_workspaces_are_found_by_text(client: httpx.AsyncClient, workspace: dict):
    other = (await client.post(WORKSPACES, json={"name": "Notes"})).json()

    assert await ids(client) == [other["id"], workspace["id"]]
    assert await ids(client, "?search=REPORT") == [workspace["id"]]


async def test_an_archived_workspace_leaves_the_list_and_can_come_back(
    client: httpx.AsyncClient, workspace: dict
):
    path = f"{WORKSPACES}/{workspace['id']}"
    assert (await client.delete(path)).status_code == 204
    archived = (await client.get(path)).json()

    assert archived["status"] == "archived"
    assert archived["archived_at"] >= workspace["created_at"]
    assert await ids(client) == []
    assert await ids(client, "?include_archived=true") == [workspace["id"]]

    back = (await client.patch(path, json={"status": "active"})).json()
    assert back["status"] == "active"
    assert "archived_at" not in back
    assert await ids(client) == [workspace["id"]]


async def test_a_patch_changes_what_is_sent(client: httpx.AsyncClient, workspace: dict):
    changed = await client.patch(f"{WORKSPACES}/{workspace['id']}", json={"name": "Book"})

    assert changed.json()["name"] == "Book"
    assert changed.json()["description"] == "for all"


async def test_a_session_has_a_workspace_of_its_own(client: httpx.AsyncClient, session: dict):
    path = f"{WORKSPACES}/{session['workspace_id']}"
    own = (await client.get(path)).json()

    assert own["session_id"] == session["id"]
    assert (own["name"], own["status"]) == ("Talk", "active")
    assert await ids(client) == []
    for refused in (await client.patch(path, json={"name": "x"}), await client.delete(path)):
        assert refused.status_code == 409

    await client.delete(f"{SESSIONS}/{session['id']}")
    assert (await client.get(path)).status_code == 404


async def test_sessions_share_a_workspace_that_outlives_them(
    client: httpx.AsyncClient, workspace: dict
):
    sharing = {
        "workspace_id": workspace["id"],
        "initial_files": [{"path": "/plan.md", "content": "first"}],
    }
    one = (await client.post(SESSIONS, json=sharing)).json()
    file = f"{WORKSPACES}/{workspace['id']}/fs/plan.md"
    await client.put(file, json={"content": "second"})
    two = (await client.post(SESSIONS, json=sharing)).json()

    assert one["workspace_id"] == two["workspace_id"] == workspace["id"]
    for session in (one, two):
        unused = session["id"].replace("session_", "workspace_")
        assert (await client.get(f"{WORKSPACES}/{unused}")).status_code == 404
        assert (await client.delete(f"{SESSIONS}/{session['id']}")).status_code == 204
    assert (await client.get(file)).json()["content"] == "second"


async def test_only_active_workspaces_that_were_created_are_shared(
    client: httpx.AsyncClient, workspace: dict, session: dict
):
    await client.delete(f"{WORKSPACES}/{workspace['id']}")

    for refused in (UNKNOWN, workspace["id"], session["workspace_id"]):
        response = await client.post(SESSIONS, json={"workspace_id": refused})
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "WORKSPACE_NOT_FOUND"
    malformed = await client.post(SESSIONS, json={"workspace_id": "x"})
    assert malformed.status_code == 400


async def test_the_plain_face_knows_nothing_of_workspaces(
    client: httpx.AsyncClient, workspace: dict
):
    session = await client.post("/v1/sessions", json={"workspace_id": workspace["id"]})

    assert session.status_code == 400
    assert (await client.get("/v1/workspaces")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", f"{WORKSPACES}/{UNKNOWN}", None, 404),
        ("PATCH", f"{WORKSPACES}/{UNKNOWN}", {"name": "x"}, 404),
        ("DELETE", f"{WORKSPACES}/{UNKNOWN}", None, 404),
        ("GET", f"{WORKSPACES}/workspace_1", None, 400),
        ("POST", WORKSPACES, {}, 400),
        ("POST", WORKSPACES, {"name": ""}, 400),
        ("PATCH", f"{WORKSPACES}/{UNKNOWN}", {"status": "deleted"}, 400),
        ("GET", f"{WORKSPACES}?include_archived=1", None, 400),
    ],
)
async def test_what_is_not_there_or_not_valid_is_refused(
    client: httpx.AsyncClient, method: str, path: str, body: dict | None, status: int
):
    assert (await client.request(method, path, json=body)).status_code == status
