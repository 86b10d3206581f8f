"""Providers, models, capabilities, harnesses and health over HTTP."""

import httpx
import pytest

SECRET = "sk-very-secret-4711"


async def add(client: httpx.AsyncClient, **fields: object) -> httpx.Response:
    body = {"name": "mine", "provider_type": "openai", "api_key": SECRET, **fields}
    return await client.post("/v1/llm-providers", json=body)


async def test_a_providers_key_is_in_no_answer(client: httpx.AsyncClient):
    added = await add(client)
    provider = added.json()
    path = f"/v1/llm-providers/{provider['id']}"

    answers = [
        added,
        await client.get(path),
        await client.patch(path, json={"api_key": SECRET, "status": "disabled"}),
        await client.get("/v1/llm-providers"),
        await client.get("/v1/models"),
        await client.post("/v1/llm-providers", json={"api_key": SECRET, "provider_type": "x"}),
        await client.post("/v1/llm-providers", json={"name": "x", "api_key": [SECRET]}),
    ]

    assert added.status_code == 201
    assert provider["api_key_set"] is True
    assert all(SECRET not in answer.text for answer in answers)


@pytest.mark.parametrize("path", ["/v1/llm-providers", "/v1/providers", "/api/v1/llm-providers"])
async def test_providers_have_two_names_for_their_routes(client: httpx.AsyncClient, path: str):
    provider = (await add(client)).json()

    assert provider["id"] in {item["id"] for item in (await client.get(path)).json()["data"]}
    assert (await client.get(f"{path}/{provider['id']}")).json()["name"] == "mine"
    assert (await client.delete(f"{path}/{provider['id']}")).status_code == 204
    assert (await client.get(f"{path}/{provider['id']}")).status_code == 404


async def test_a_taken_name_is_a_conflict(client: httpx.AsyncClient):
    await add(client)

    response = await add(client)

    assert response.status_code == 409
    assert response.json()["error"]["code"] == "PROVIDER_NAME_TAKEN"


async def test_a_model_is_found_by_its_id_and_by_its_qualified_name(client: httpx.AsyncClient):
    await add(client, models=[{"model_id": "org/model:1"}])
    listed = (await client.get("/v1/models?search=org/model")).json()["data"]

    by_name = await client.get("/v1/models/mine/org/model:1")
    by_id = await client.get(f"/v1/llm-models/{listed[0]['id']}")

    assert by_name.json() == by_id.json() == listed[0]


async def test_a_providers_models_are_listed(client: httpx.AsyncClient):
    provider = (await add(client, models=[{"model_id": "a"}, {"model_id": "b"}])).json()

    page = (await client.get(f"/v1/llm-providers/{provider['id']}/models?limit=1")).json()

    assert page["total"] == 2
    assert [model["model_id"] for model in page["data"]] == ["a"]


async def test_an_unknown_model_is_not_found(client: httpx.AsyncClient):
    response = await client.get("/v1/models/nobody/nothing")

    assert (response.status_code, response.json()["error"]["code"]) == (404, "MODEL_NOT_FOUND")


async def test_capabilities_are_listed_and_read(client: httpx.AsyncClient):
    page = (await client.get("/v1/capabilities?search=time")).json()

    (capability,) = [item for item in page["data"] if item["id"] == "current_time"]
    assert (await client.get("/v1/capabilities/current_time")).json() == capability
    assert capability["tool_definitions"]


async def test_an_unknown_capability_is_not_found(client: httpx.AsyncClient):
    response = await client.get("/v1/capabilities/nothing")

    assert (response.status_code, response.json()["error"]["code"]) == (
        404,
        "CAPABILITY_NOT_FOUND",
    )


async def test_there_is_one_harness(client: httpx.AsyncClient):
    (harness,) = (await client.get("/v1/harnesses")).json()["data"]

    assert harness["name"] == "generic"
    assert (await client.get(f"/v1/harnesses/{harness['id']}")).json() == harness
    unknown = await client.get("/v1/harnesses/harness_" + "1" * 32)
    assert unknown.json()["error"]["code"] == "HARNESS_NOT_FOUND"


async def test_health_tells_the_version(client: httpx.AsyncClient):
    health = (await client.get("/health")).json()

    assert health["status"] == "ok"
    assert health["version"]


async def test_a_server_with_its_registry_is_ready(client: httpx.AsyncClient):
    assert (await client.get("/ready")).status_code == 200
