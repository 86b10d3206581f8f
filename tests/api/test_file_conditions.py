"""Two who change one file: the second learns of the first, and overwrites nothing."""

import httpx
import pytest


@pytest.fixture
async def at(client: httpx.AsyncClient) -> str:
    """The address of a session's workspace."""
    session = (await client.post("/v1/sessions", json={})).json()
    return f"/v1/workspaces/{session['workspace_id']}"


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


CHANGED = 412, "PRECONDITION_FAILED"


async def test_a_file_is_changed_only_from_the_state_that_was_read(
    client: httpx.AsyncClient, at: str
):
    await client.post(f"{at}/fs/a.txt", json={"content": "one"})
    read = (await client.get(f"{at}/fs/a.txt")).headers["etag"]

    first = await client.put(
        f"{at}/fs/a.txt", json={"content": "two"}, headers={"If-Match": f'"other", {read}'}
    )
    second = await client.put(
        f"{at}/fs/a.txt", json={"content": "three"}, headers={"If-Match": read}
    )
    deleted = await client.delete(f"{at}/fs/a.txt", headers={"If-Match": read})

    assert first.status_code == 200
    assert code(second) == code(deleted) == CHANGED
    assert "Read it again" in second.json()["error"]["message"]
    found = await client.get(f"{at}/fs/a.txt")
    assert found.json()["content"] == "two"
    assert found.headers["etag"] == first.headers["etag"] != read
    assert (await client.get(f"{at}/raw/a.txt")).headers["etag"] == first.headers["etag"]


@pytest.mark.parametrize("change", [{"content": "one"}, {"is_readonly": True}])
async def test_every_change_gives_a_file_another_tag(
    client: httpx.AsyncClient, at: str, change: dict
):
    made = await client.post(f"{at}/fs/a.txt", json={"content": "1"})

    changed = await client.put(f"{at}/fs/a.txt", json=change)

    assert changed.headers["etag"] != made.headers["etag"]


async def test_a_file_is_deleted_only_in_the_state_that_was_read(
    client: httpx.AsyncClient, at: str
):
    made = await client.post(f"{at}/fs/a.txt", json={"content": "one"})

    deleted = await client.delete(
        f"{at}/fs/a.txt", headers={"If-Match": f"W/{made.headers['etag']}"}
    )

    assert deleted.json() == {"deleted": True}
    gone = await client.put(f"{at}/fs/a.txt", json={"content": ""}, headers={"If-Match": "*"})
    assert code(gone) == CHANGED


async def test_bytes_are_stored_only_where_nothing_is_or_what_was_read(
    client: httpx.AsyncClient, at: str
):
    new = {"If-None-Match": "*"}
    made = await client.put(f"{at}/raw/b.bin", content=b"\0", headers=new)
    again = await client.put(f"{at}/raw/b.bin", content=b"\1", headers=new)
    replaced = await client.put(
        f"{at}/raw/b.bin", content=b"\2", headers={"If-Match": made.headers["etag"]}
    )
    late = await client.put(
        f"{at}/raw/b.bin", content=b"\3", headers={"If-Match": made.headers["etag"]}
    )

    assert (made.status_code, replaced.status_code) == (200, 200)
    assert code(again) == code(late) == CHANGED
    assert (await client.get(f"{at}/raw/b.bin")).content == b"\2"


@pytest.mark.parametrize("value", ["", "abc", '"a" "b"', '"a",', "*, *", '"' + "a" * 5000 + '"'])
async def test_what_is_no_tag_is_refused(client: httpx.AsyncClient, at: str, value: str):
    await client.post(f"{at}/fs/a.txt", json={"content": "one"})

    answer = await client.put(
        f"{at}/fs/a.txt", json={"content": "two"}, headers={"If-Match": value}
    )

    assert code(answer) == (400, "INVALID_REQUEST")
    assert answer.json()["error"]["message"].startswith("If-Match: ")
    assert (await client.get(f"{at}/fs/a.txt")).json()["content"] == "one"


async def test_a_condition_in_two_lines_is_refused_rather_than_read_in_part(
    client: httpx.AsyncClient, at: str
):
    await client.put(f"{at}/raw/a.txt", content=b"one")
    lines = [("If-None-Match", '"other"'), ("If-None-Match", "*")]

    answer = await client.put(f"{at}/raw/a.txt", content=b"two", headers=lines)

    assert code(answer) == (400, "INVALID_REQUEST")
    assert (await client.get(f"{at}/raw/a.txt")).content == b"one"
