"""The bytes of a workspace's files over HTTP."""

import httpx
import pytest

PNG = b"\x89PNG\r\n\x1a\n\x00\x01\xff"


@pytest.fixture(params=["/v1", "/api/v1"])
async def at(request: pytest.FixtureRequest, client: httpx.AsyncClient) -> str:
    """The address of a session's workspace."""
    session = (await client.post("/v1/sessions", json={})).json()
    return f"{request.param}/workspaces/{session['workspace_id']}"


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("chart.png", PNG, "image/png"),
        ("notes.txt", "Grüße\n".encode(), "text/plain; charset=utf-8"),
        ("odd.txt", b"\xff\xfe\x00", "application/octet-stream"),
        ("page.html", b"<script>1</script>", "text/html; charset=utf-8"),
        ("data", b"", "text/plain; charset=utf-8"),
        ("data.unknown", PNG, "application/octet-stream"),
    ],
)
async def test_what_is_uploaded_is_downloaded_byte_by_byte(
    client: httpx.AsyncClient, at: str, name: str, content: bytes, kind: str
):
    stored = await client.put(f"{at}/raw/reports/{name}", content=content)
    assert stored.status_code == 200, stored.text
    assert (stored.json()["path"], stored.json()["size_bytes"]) == (
        f"/reports/{name}",
        len(content),
    )

    found = await client.get(f"{at}/raw/reports/{name}")

    assert (found.status_code, found.content) == (200, content)
    assert found.headers["content-type"] == kind
    assert found.headers["content-disposition"] == f"attachment; filename*=UTF-8''{name}"
    assert found.headers["x-content-type-options"] == "nosniff"


async def test_a_name_of_any_letters_stays_one_header(client: httpx.AsyncClient, at: str):
    await client.put(f"{at}/raw/a%22%3B%20ü.txt", content=b"x")

    found = await client.get(f"{at}/raw/a%22%3B%20ü.txt")

    name = "a%22%3B%20%C3%BC.txt"
    assert found.headers["content-disposition"] == f"attachment; filename*=UTF-8''{name}"


async def test_an_upload_replaces_a_file_and_the_other_routes_see_it(
    client: httpx.AsyncClient, at: str
):
    await client.put(f"{at}/raw/a.bin", content=PNG)
    binary = (await client.get(f"{at}/fs/a.bin")).json()
    await client.put(f"{at}/raw/a.bin", content=b"text now")
    text = (await client.get(f"{at}/fs/a.bin")).json()

    assert binary["encoding"] == "base64"
    assert (text["encoding"], text["content"]) == ("text", "text now")


async def test_uploads_have_the_rules_of_files(client: httpx.AsyncClient, at: str):
    await client.post(f"{at}/fs/fixed.txt", json={"content": "x", "is_readonly": True})
    await client.post(f"{at}/fs/folder", json={"is_directory": True})

    answers = {
        "read-only": await client.put(f"{at}/raw/fixed.txt", content=b"y"),
        "directory": await client.put(f"{at}/raw/folder", content=b"y"),
        "download of a directory": await client.get(f"{at}/raw/folder"),
        "too large": await client.put(f"{at}/raw/big", content=bytes(1024 * 1024 + 1)),
        "missing": await client.get(f"{at}/raw/none"),
        "reserved": await client.put(f"{at}/raw/_/move", content=b""),
    }

    assert {name: answer.status_code for name, answer in answers.items()} == {
        "read-only": 409,
        "directory": 409,
        "download of a directory": 409,
        "too large": 413,
        "missing": 404,
        "reserved": 404,
    }
    assert (await client.get(f"{at}/raw/fixed.txt")).content == b"x"


async def test_files_of_an_archived_workspace_can_only_be_downloaded(client: httpx.AsyncClient):
    shared = (await client.post("/v1/workspaces", json={"name": "shared"})).json()
    at = f"/v1/workspaces/{shared['id']}"
    await client.put(f"{at}/raw/a", content=b"x")
    await client.delete(at)

    assert (await client.get(f"{at}/raw/a")).content == b"x"
    assert (await client.put(f"{at}/raw/a", content=b"y")).status_code == 409
