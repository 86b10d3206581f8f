"""Agents copied, exported and imported, on the face of the SDK."""

import httpx
import pytest

from everruns.settings import Settings

AGENT = {
    "name": "clerk",
    "display_name": "The clerk",
    "description": "Adds\nthings up.",
    "system_prompt": "  You are a clerk.\n",
    "default_model_id": "simulated/simulated-1",
    "tags": ["no", "1"],
    "capabilities": ["noop", {"ref": "current_time"}],
    "tools": [{"name": "ask", "description": "Asks.", "parameters": {"type": "object"}}],
    "max_iterations": 7,
    "parallel_tool_calls": False,
    "initial_files": [{"path": "/a.txt", "content": "one\ntwo", "is_readonly": True}],
}
GIVEN = {"id", "created_at", "updated_at"}


async def create(client: httpx.AsyncClient, **fields: object) -> dict:
    response = await client.post("/api/v1/agents", json={**AGENT, **fields})
    assert response.status_code == 201, response.text
    return response.json()


async def import_text(client: httpx.AsyncClient, text: str | bytes) -> httpx.Response:
    headers = {"Content-Type": "text/plain"}
    return await client.post("/api/v1/agents/import", content=text, headers=headers)


def decided(agent: dict) -> dict:
    return {name: value for name, value in agent.items() if name not in GIVEN}


async def test_a_copy_is_a_new_agent_that_differs_in_its_name(client: httpx.AsyncClient):
    agent = await create(client)

    response = await client.post(f"/api/v1/agents/{agent['id']}/copy", json={})

    assert response.status_code == 201
    copy = response.json()
    assert copy["id"] != agent["id"]
    assert decided(copy) == {**decided(agent), "name": "clerk-copy"}
    assert (await client.get(f"/api/v1/agents/{copy['id']}")).json() == copy


async def test_each_copy_takes_a_free_name(client: httpx.AsyncClient):
    agent = await create(client)
    path = f"/api/v1/agents/{agent['id']}/copy"

    names = [(await client.post(path, json={})).json()["name"] for _ in range(3)]

    assert names == ["clerk-copy", "clerk-copy-2", "clerk-copy-3"]


async def test_a_copy_is_repeated_with_its_key(client: httpx.AsyncClient):
    agent = await create(client)
    path, key = f"/api/v1/agents/{agent['id']}/copy", {"Idempotency-Key": "one"}

    first = await client.post(path, json={}, headers=key)
    again = await client.post(path, json={}, headers=key)

    assert first.content == again.content


async def test_an_unknown_agent_is_neither_copied_nor_exported(client: httpx.AsyncClient):
    unknown = "/api/v1/agents/agent_" + "0" * 32

    for response in (
        await client.post(f"{unknown}/copy", json={}),
        await client.get(f"{unknown}/export"),
    ):
        assert (response.status_code, response.json()["error"]["code"]) == (404, "AGENT_NOT_FOUND")


async def test_an_exported_agent_is_imported_as_the_same(client: httpx.AsyncClient):
    agent = await create(client)
    exported = await client.get(f"/api/v1/agents/{agent['id']}/export")
    await client.delete(f"/api/v1/agents/{agent['id']}")

    imported = await import_text(client, exported.text)

    assert exported.headers["content-type"] == "text/markdown; charset=utf-8"
    assert imported.status_code == 201
    assert decided(imported.json()) == decided(agent)


@pytest.mark.parametrize(
    "text",
    [
        "---\nname: clerk\n---\nYou add.",
        "name: clerk\nsystem_prompt: You add.",
        ' {"name": "clerk", "system_prompt": "You add."}',
        "\ufeff---\nname: Clerk\ndisplay_name: The clerk\n---\n\nYou add.\n",
    ],
)
async def test_an_import_replaces_the_agent_of_its_name(client: httpx.AsyncClient, text: str):
    agent = await create(client)

    response = await import_text(client, text)

    assert response.status_code == 200
    replaced = response.json()
    assert (replaced["id"], replaced["system_prompt"]) == (agent["id"], "You add.")
    assert "description" not in replaced


async def test_plain_text_is_the_prompt_of_an_agent(client: httpx.AsyncClient):
    response = await import_text(client, "You are a pirate: talk like one.")

    assert response.status_code == 201
    assert response.json()["system_prompt"] == "You are a pirate: talk like one."
    assert response.json()["name"].startswith("you-are-a-pirate-talk-like-one-")


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        (b"", "INVALID_REQUEST", "body: there is no text to import"),
        (b"\xff", "INVALID_REQUEST", "body: byte 0 is not UTF-8"),
        (b"a\0b", "INVALID_JSON", "The body holds a NUL character"),
        (b"{", "INVALID_JSON", "The body is not valid JSON"),
        (b"---\ntags: [\n---\n", "INVALID_REQUEST", "YAML, line "),
        (b"---\ndescription: x\n---\n", "INVALID_REQUEST", "name: "),
        (b"---\nname: '!'\n---\n", "INVALID_REQUEST", "name: "),
        (b"---\nname: a\nmax_iterations: 0\n---\n", "INVALID_REQUEST", "max_iterations: "),
        (b"---\nname: a\ncapabilities: [x]\n---\n", "UNKNOWN_CAPABILITY", ""),
        (
            b"---\nname: a\ncapabilities: [{ref: noop, config: {a: 1e999}}]\n---\n",
            "INVALID_JSON",
            "",
        ),
    ],
)
async def test_what_cannot_be_imported_is_refused_with_the_reason(
    client: httpx.AsyncClient, text: bytes, code: str, reason: str
):
    response = await import_text(client, text)

    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == code
    assert error["message"].startswith(reason)


async def test_a_document_longer_than_bodies_may_be_is_refused(
    client: httpx.AsyncClient, settings: Settings
):
    response = await import_text(client, b"x" * (settings.max_body_bytes + 1))

    assert response.status_code == 413


async def test_there_are_no_built_in_examples(client: httpx.AsyncClient):
    response = await client.post("/api/v1/agents/import?from-example=dad-jokes-agent", content="")

    assert (response.status_code, response.json()["error"]["code"]) == (501, "NOT_IMPLEMENTED")
