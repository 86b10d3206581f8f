"""The files of a workspace over HTTP, and that a session's tools see the same."""

import base64

import httpx
import pytest

from everruns.runtime.files import SessionFiles
from everruns.runtime.local import LocalRuntime

UNKNOWN = "workspace_" + "0" * 32


@pytest.fixture
async def session(client: httpx.AsyncClient) -> dict:
    return (await client.post("/api/v1/sessions", json={})).json()


@pytest.fixture
def files(session: dict) -> str:
    """Where the files of a session's own workspace are."""
    return f"/api/v1/workspaces/{session['workspace_id']}/fs"


async def paths(client: httpx.AsyncClient, files: str, query: str = "") -> list[str]:
    return [entry["path"] for entry in (await client.get(files + query)).json()["data"]]


async def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def test_a_created_file_is_read_back(client: httpx.AsyncClient, files: str, session: dict):
    created = await client.post(f"{files}/a/b.txt", json={"content": "Grüße"})
    read = await client.get(f"{files}/a/b.txt")

    assert created.status_code == 201
    assert read.json() == created.json()
    file = read.json()
    assert file.pop("created_at") == file.pop("updated_at")
    assert file.pop("id").startswith("file_")
    assert file == {
        "session_id": session["id"],
        "path": "/a/b.txt",
        "name": "b.txt",
        "is_directory": False,
        "is_readonly": False,
        "size_bytes": 7,
        "content": "Grüße",
        "encoding": "text",
    }


async def test_a_workspace_that_is_no_single_sessions_has_no_session(client: httpx.AsyncClient):
    workspace = (await client.post("/api/v1/workspaces", json={"name": "w"})).json()
    path = f"/api/v1/workspaces/{workspace['id']}/fs/a"

    assert (await client.post(path, json={"content": ""})).json()["session_id"] == ""


async def test_tools_and_routes_see_the_same_files(
    client: httpx.AsyncClient, files: str, session: dict, runtime: LocalRuntime
):
    tools = SessionFiles(runtime.registry.files, session["workspace_id"])
    await tools.write("/by-tool", b"1", "text")
    await client.post(f"{files}/by-hand", json={"content": "2"})

    assert (await client.get(f"{files}/by-tool")).json()["content"] == "1"
    by_hand = await tools.read("/by-hand")
    assert by_hand is not None
    assert by_hand.content == b"2"


async def test_initial_files_are_there(client: httpx.AsyncClient):
    agent = {"name": "a", "initial_files": [{"path": "/agent", "content": "a"}]}
    await client.post("/api/v1/agents", json=agent)
    wanted = {"agent_name": "a", "initial_files": [{"path": "/session", "content": "s"}]}
    session = (await client.post("/api/v1/sessions", json=wanted)).json()

    assert await paths(client, f"/api/v1/workspaces/{session['workspace_id']}/fs") == [
        "/agent",
        "/session",
    ]


async def test_a_directory_is_listed_at_one_level_or_all(client: httpx.AsyncClient, files: str):
    for path in ("a/b/c", "d"):
        await client.post(f"{files}/{path}", json={"content": ""})
    await client.post(f"{files}/e", json={"is_directory": True})

    assert await paths(client, files) == ["/a", "/d", "/e"]
    assert await paths(client, files, "/") == ["/a", "/d", "/e"]
    assert await paths(client, files, "/a") == ["/a/b"]
    assert await paths(client, files, "?recursive=true") == ["/a", "/a/b", "/a/b/c", "/d", "/e"]
    assert await paths(client, files, "/a?recursive=true") == ["/a/b", "/a/b/c"]
    assert "content" not in (await client.get(files)).json()["data"][1]


async def test_binary_content_travels_as_base64(client: httpx.AsyncClient, files: str):
    content = base64.b64encode(b"\xff\x00").decode()
    created = await client.post(f"{files}/a", json={"content": content, "encoding": "base64"})
    wrong = await client.post(f"{files}/b", json={"content": "*", "encoding": "base64"})

    assert created.json()["size_bytes"] == 2
    assert (await client.get(f"{files}/a")).json()["content"] == content
    assert await code(wrong) == (400, "INVALID_FILE")


async def test_a_file_of_the_largest_size_is_taken(client: httpx.AsyncClient, files: str):
    content = base64.b64encode(bytes(1024 * 1024)).decode()
    created = await client.post(f"{files}/a", json={"content": content, "encoding": "base64"})
    larger = await client.post(f"{files}/b", json={"content": "x" * (1024 * 1024 + 1)})

    assert created.status_code == 201
    assert await code(larger) == (413, "PAYLOAD_TOO_LARGE")


async def test_a_read_only_file_refuses_until_it_is_made_writable(
    client: httpx.AsyncClient, files: str
):
    path = f"{files}/d/a"
    await client.post(path, json={"content": "1", "is_readonly": True})
    pair = {"src_path": "/d/a", "dst_path": "/b"}

    for refused in (
        await client.put(path, json={"content": "2"}),
        await client.delete(path),
        await client.delete(f"{files}/d?recursive=true"),
        await client.post(f"{files}/_/move", json=pair),
    ):
        assert await code(refused) == (409, "CONFLICT")
    assert (await client.get(path)).json()["content"] == "1"
    changed = await client.put(path, json={"content": "2", "is_readonly": False})
    assert (changed.status_code, changed.json()["content"]) == (200, "2")


async def test_a_file_is_created_once_and_updated_while_it_is_there(
    client: httpx.AsyncClient, files: str
):
    missing = await client.put(f"{files}/a", json={"content": "1"})
    await client.post(f"{files}/a", json={"content": "1"})
    again = await client.post(f"{files}/a", json={"content": "2"})

    assert await code(missing) == (404, "FILE_NOT_FOUND")
    assert await code(again) == (409, "CONFLICT")


async def test_deleting_tells_whether_there_was_something(client: httpx.AsyncClient, files: str):
    await client.post(f"{files}/d/a", json={"content": ""})

    assert (await client.delete(f"{files}/d")).status_code == 409
    deleted = await client.delete(f"{files}/d?recursive=true")
    assert (deleted.status_code, deleted.json()) == (200, {"deleted": True})
    assert (await client.delete(f"{files}/d")).json() == {"deleted": False}
    assert (await client.delete(f"{files}//")).status_code == 409


async def test_files_are_moved_and_copied(client: httpx.AsyncClient, files: str):
    await client.post(f"{files}/a", json={"content": "1"})
    moved = await client.post(f"{files}/_/move", json={"src_path": "a", "dst_path": "/d/b"})
    copied = await client.post(f"{files}/_/copy", json={"src_path": "/d/b", "dst_path": "/c"})

    assert (moved.status_code, moved.json()["path"]) == (200, "/d/b")
    assert (copied.status_code, copied.json()["content"]) == (201, "1")
    assert await paths(client, files, "?recursive=true") == ["/c", "/d", "/d/b"]
    again = await client.post(f"{files}/_/copy", json={"src_path": "/d/b", "dst_path": "/c"})
    assert await code(again) == (409, "CONFLICT")
    for action in ("move", "copy"):
        gone = await client.post(f"{files}/_/{action}", json={"src_path": "/a", "dst_path": "/x"})
        assert await code(gone) == (404, "FILE_NOT_FOUND")


async def test_a_search_gives_the_lines_of_each_file(client: httpx.AsyncClient, files: str):
    for path, content in (("a.md", "one\ntwo\nthree"), ("b.md", "two"), ("c.txt", "two")):
        await client.post(f"{files}/{path}", json={"content": content})
    search = {"pattern": "^t", "path_pattern": "*.md"}
    found = await client.post(f"{files}/_/grep", json=search)
    wrong = await client.post(f"{files}/_/grep", json={"pattern": "("})

    assert found.json()["data"] == [
        {
            "path": "/a.md",
            "matches": [
                {"path": "/a.md", "line_number": 2, "line": "two"},
                {"path": "/a.md", "line_number": 3, "line": "three"},
            ],
        },
        {"path": "/b.md", "matches": [{"path": "/b.md", "line_number": 1, "line": "two"}]},
    ]
    assert await code(wrong) == (400, "INVALID_FILE")


async def test_stat_tells_what_is_there(client: httpx.AsyncClient, files: str):
    await client.post(f"{files}/d/a", json={"content": "123"})

    async def stat(path: str) -> httpx.Response:
        return await client.post(f"{files}/_/stat", json={"path": path})

    assert (await stat("/d/a")).json()["size_bytes"] == 3
    assert "content" not in (await stat("/d/a")).json()
    assert (await stat("/d")).json()["is_directory"] is True
    assert (await stat("/")).json()["is_directory"] is True
    assert await code(await stat("/none")) == (404, "FILE_NOT_FOUND")


async def test_files_of_an_archived_workspace_can_only_be_read(client: httpx.AsyncClient):
    workspace = (await client.post("/api/v1/workspaces", json={"name": "w"})).json()
    path = f"/api/v1/workspaces/{workspace['id']}"
    await client.post(f"{path}/fs/a", json={"content": "1"})
    await client.delete(path)

    assert (await client.get(f"{path}/fs/a")).json()["content"] == "1"
    assert await code(await client.put(f"{path}/fs/a", json={})) == (409, "CONFLICT")


@pytest.mark.parametrize("target", ["_/b", "/./_/b", "/_"])
async def test_nothing_is_moved_or_copied_to_where_actions_are(
    client: httpx.AsyncClient, files: str, target: str
):
    await client.post(f"{files}/a", json={})
    for action in ("move", "copy"):
        pair = {"src_path": "/a", "dst_path": target}
        refused = await client.post(f"{files}/_/{action}", json=pair)
        assert await code(refused) == (400, "INVALID_FILE")


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "none", None, (404, "FILE_NOT_FOUND")),
        ("GET", "?recursive=yes", None, (400, "INVALID_REQUEST")),
        ("POST", "_/other", {}, (404, "ROUTE_NOT_FOUND")),
        ("PUT", "_/move", {}, (405, "METHOD_NOT_ALLOWED")),
        ("POST", "x/%2e%2e/_/b", {"content": ""}, (400, "INVALID_FILE")),
        ("POST", "a/" * 65, {}, (400, "INVALID_FILE")),
        ("POST", "a", {"encoding": "utf-16"}, (400, "INVALID_REQUEST")),
        ("POST", "_/move", {"src_path": "/a"}, (400, "INVALID_REQUEST")),
    ],
)
async def test_what_is_not_there_or_not_valid_is_refused(
    client: httpx.AsyncClient,
    files: str,
    method: str,
    path: str,
    body: dict | None,
    expected: tuple[int, str],
):
    separator = "" if path.startswith("?") else "/"
    assert await code(await client.request(method, files + separator + path, json=body)) == expected


async def test_files_go_with_their_session(
    client: httpx.AsyncClient, files: str, session: dict, runtime: LocalRuntime
):
    await client.post(f"{files}/a", json={"content": ""})
    await client.delete(f"/api/v1/sessions/{session['id']}")

    for gone in (await client.get(files), await client.post(f"{files}/b", json={"content": ""})):
        assert await code(gone) == (404, "WORKSPACE_NOT_FOUND")
    tools = SessionFiles(runtime.registry.files, session["workspace_id"])
    assert await tools.list("/") == []
    unknown = await client.get(f"/api/v1/workspaces/{UNKNOWN}/fs")
    assert await code(unknown) == (404, "WORKSPACE_NOT_FOUND")
