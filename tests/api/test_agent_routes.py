"""Agents over HTTP."""

import httpx
import pytest

UNKNOWN = "agent_" + "0" * 32


async def create(client: httpx.AsyncClient, **fields: object) -> dict:
    response = await client.post("/v1/agents", json={"name": "assistant", **fields})
    assert response.status_code == 201, response.text
    return response.json()


async def test_a_new_agent_is_answered_as_stored(client: httpx.AsyncClient):
    agent = await create(
        client, system_prompt="Be kind.", capabilities=["noop", {"ref": "current_time"}]
    )

    assert agent["capabilities"] == [{"ref": "noop"}, {"ref": "current_time"}]
    assert agent["status"] == "active"
    assert (await client.get(f"/v1/agents/{agent['id']}")).json() == agent


async def test_answers_hold_no_nulls(client: httpx.AsyncClient):
    agent = await create(client)

    assert None not in agent.values()


async def test_creating_with_the_id_of_an_agent_replaces_it(client: httpx.AsyncClient):
    agent = await create(client, description="first")

    response = await client.post("/v1/agents", json={"id": agent["id"], "name": "second"})

    assert response.status_code == 200
    assert response.json()["name"] == "second"
    assert "description" not in response.json()


async def test_names_may_repeat_on_the_specification_face(client: httpx.AsyncClient):
    first, second = await create(client), await create(client)

    assert first["id"] != second["id"]


async def test_a_name_addresses_an_agent_on_the_sdk_face(client: httpx.AsyncClient):
    first = await client.post("/api/v1/agents", json={"name": "helper", "description": "old"})
    second = await client.post("/api/v1/agents", json={"name": "helper"})

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert "description" not in second.json()


@pytest.mark.parametrize("name", ["Has Capitals", "-dash", "a--b", "a_b", "x" * 65, ""])
async def test_names_are_slugs_on_the_sdk_face(client: httpx.AsyncClient, name: str):
    response = await client.post("/api/v1/agents", json={"name": name})

    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("name: ")


async def test_a_patch_changes_what_it_names_and_nothing_else(client: httpx.AsyncClient):
    agent = await create(client, description="before", tags=["kept"])

    response = await client.patch(
        f"/v1/agents/{agent['id']}", json={"description": None, "name": "after"}
    )

    assert response.status_code == 200
    changed = response.json()
    assert (changed["name"], changed["tags"]) == ("after", ["kept"])
    assert "description" not in changed


async def test_a_deleted_agent_leaves_lists_and_use_but_its_sessions_stay(
    client: httpx.AsyncClient,
):
    agent = await create(client)
    session = (await client.post(f"/v1/agents/{agent['id']}/sessions")).json()

    response = await client.delete(f"/v1/agents/{agent['id']}")

    assert (response.status_code, response.content) == (204, b"")
    assert (await client.get(f"/v1/agents/{agent['id']}")).status_code == 404
    assert (await client.get("/v1/agents")).json()["total"] == 0
    assert (await client.get(f"/v1/sessions/{session['id']}")).status_code == 200
    assert (await client.get(f"/v1/agents/{agent['id']}/sessions")).json()["total"] == 1


async def test_lists_are_paged_newest_first(client: httpx.AsyncClient):
    agents = [await create(client, name=f"agent {number}") for number in range(5)]

    page = (await client.get("/v1/agents?offset=1&limit=2")).json()

    assert [agent["id"] for agent in page["data"]] == [agents[3]["id"], agents[2]["id"]]
    assert (page["total"], page["offset"], page["limit"]) == (5, 1, 2)


async def test_a_list_can_be_searched(client: httpx.AsyncClient):
    await create(client, name="Weather")
    await create(client, name="Mathematics")

    page = (await client.get("/v1/agents?search=WEATH")).json()

    assert [agent["name"] for agent in page["data"]] == ["Weather"]


async def test_a_retry_with_the_same_key_gets_the_first_answer(client: httpx.AsyncClient):
    key = {"Idempotency-Key": "one"}
    first = await client.post("/v1/agents", json={"name": "a"}, headers=key)
    again = await client.post("/v1/agents", json={"name": "a"}, headers=key)
    other = await client.post("/v1/agents", json={"name": "b"}, headers=key)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert other.status_code == 409
    assert other.json()["error"]["code"] == "IDEMPOTENCY_KEY_REUSED"


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
async def test_a_key_is_1_to_255_printable_characters(client: httpx.AsyncClient, key: str):
    response = await client.post("/v1/agents", json={"name": "a"}, headers={"Idempotency-Key": key})

    assert response.status_code == 400
    assert "Idempotency-Key" in response.json()["error"]["message"]


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_an_unknown_agent_is_not_found(client: httpx.AsyncClient, method: str):
    response = await client.request(method, f"/v1/agents/{UNKNOWN}", json={})

    assert response.status_code == 404
    assert response.json() == {
        "error": {"message": f"Agent {UNKNOWN} not found", "code": "AGENT_NOT_FOUND"}
    }


async def test_a_list_counts_the_sessions_of_its_agents_if_asked(client: httpx.AsyncClient):
    idle, busy = await create(client, name="idle"), await create(client, name="busy")
    for _ in range(2):
        await client.post(f"/v1/agents/{busy['id']}/sessions", json={})

    counted = (await client.get("/v1/agents", params={"session_counts": "true"})).json()["data"]
    plain = (await client.get("/v1/agents")).json()["data"]

    assert plain == [busy, idle]
    assert counted == [
        {**busy, "session_count": 2, "active_session_count": 0},
        {**idle, "session_count": 0, "active_session_count": 0},
    ]


async def test_a_list_finds_agents_by_their_ids_archived_ones_too(client: httpx.AsyncClient):
    archived, active, _ = [await create(client, name=name) for name in ("a", "b", "c")]
    await client.delete(f"/v1/agents/{archived['id']}")

    wanted = {"id": [active["id"], archived["id"], UNKNOWN]}
    page = (await client.get("/v1/agents", params=wanted)).json()

    found = [(agent["id"], agent["status"]) for agent in page["data"]]
    assert found == [(active["id"], "active"), (archived["id"], "archived")]
    assert page["total"] == 2


@pytest.mark.parametrize("face", ["/v1", "/api/v1"])
@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (["agent_1"], "id.0: "),
        ([""], "id.0: "),
        ([UNKNOWN] * 101, "id: "),
    ],
)
async def test_a_list_by_ids_refuses_invalid_and_more_than_100_ids(
    client: httpx.AsyncClient, face: str, ids: list[str], words: str
):
    response = await client.get(f"{face}/agents", params={"id": ids})

    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(words)
