"""Workspaces and their files, as the official SDK calls them, on a real server."""

import base64

import everruns_sdk as sdk
import httpx
import pytest
from everruns_sdk import models

from bench.server import Server


@pytest.fixture
def client(everruns: sdk.Everruns) -> sdk.Everruns:
    return everruns


@pytest.fixture
async def session(client) -> "sdk.Session":
    return await client.sessions.create(
        initial_files=[sdk.InitialFile(path="/start.md", content="# Start")]
    )


async def test_a_workspace_is_created_found_changed_and_archived(client):
    workspace = await client.workspaces.create("Quarterly report", description="for all")

    assert await client.workspaces.get(workspace.id) == workspace
    assert workspace.id in {found.id for found in await client.workspaces.list(search="QUARTERLY")}

    changed = await client.workspaces.update(workspace.id, name="Annual report")
    assert (changed.name, changed.description) == ("Annual report", "for all")

    await client.workspaces.delete(workspace.id)
    assert workspace.id not in {found.id for found in await client.workspaces.list()}
    [archived] = await client.workspaces.list(search="annual report", include_archived=True)
    assert (archived.status, archived.archived_at is not None) == ("archived", True)
    assert (await client.workspaces.update(workspace.id, status="active")).archived_at is None


async def test_a_session_is_worked_with_through_its_workspace(client, session):
    files, where = client.workspace_files, session.workspace_id

    [start] = await files.list(where)
    assert (start.path, start.session_id) == ("/start.md", session.id)
    assert (await files.read(where, "/start.md")).content == "# Start"

    content = base64.b64encode(b"\xff\x00").decode()
    created = await files.create(where, "/data/a.bin", content, encoding="base64")
    assert (created.content, created.encoding, created.size_bytes) == (content, "base64", 2)
    assert (await files.create_dir(where, "/empty")).is_directory
    updated = await files.update(where, "/start.md", "# Changed", is_readonly=True)
    assert (updated.content, updated.is_readonly) == ("# Changed", True)

    moved = await files.move_file(where, "/data", "/moved")
    assert moved.is_directory
    copied = await files.copy_file(where, "/moved/a.bin", "/ä b.bin")
    assert (await files.read(where, "/ä b.bin")).content == copied.content
    assert [file.path for file in await files.list(where, recursive=True)] == [
        "/empty",
        "/moved",
        "/moved/a.bin",
        "/start.md",
        "/ä b.bin",
    ]
    assert [file.path for file in await files.list(where, "/moved")] == ["/moved/a.bin"]

    [found] = await files.grep(where, "^# C", path_pattern="*.md")
    assert (found.path, found.matches[0].line_number) == ("/start.md", 1)
    assert (await files.stat(where, "/moved/a.bin")).size_bytes == 2

    assert (await files.delete(where, "/moved", recursive=True)).deleted
    assert not (await files.delete(where, "/moved")).deleted


async def test_refusals_come_as_the_sdks_errors(client, session):
    files, where = client.workspace_files, session.workspace_id
    await files.create(where, "/fixed", "1", is_readonly=True)

    with pytest.raises(sdk.NotFoundError):
        await files.read(where, "/none")
    for refused in (
        files.update(where, "/fixed", "2"),
        files.create(where, "/fixed", "2"),
        files.delete(where, "/fixed"),
    ):
        with pytest.raises(sdk.ApiError) as error:
            await refused
        assert error.value.status_code == 409


async def test_a_shared_workspace_outlives_its_sessions(client, server: Server):
    workspace = await client.workspaces.create("shared")
    async with httpx.AsyncClient(base_url=f"{server.address}/api/v1") as raw:
        # The SDK's client has no parameter for it, its model has.
        request = models.CreateSessionRequest(workspace_id=workspace.id).model_dump(
            exclude_none=True
        )
        sessions = [(await raw.post("/sessions", json=request)).json() for _ in range(2)]
    assert {session["workspace_id"] for session in sessions} == {workspace.id}

    await client.workspace_files.create(workspace.id, "/a", "kept")
    for session in sessions:
        await client.sessions.delete(session["id"])
    assert (await client.workspace_files.read(workspace.id, "/a")).content == "kept"


async def test_a_sessions_own_files_go_with_it(client, session):
    await client.sessions.delete(session.id)

    with pytest.raises(sdk.NotFoundError):
        await client.workspace_files.list(session.workspace_id)
