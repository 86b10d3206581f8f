"""On /v1 what is not known is a 400 that names it and the nearest known one; nothing is done."""

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from everruns.ids import new_id

# Values for the parameters of paths; what exists is not needed, since input is read first, except
# in channels.
ANYTHING = {"model": "a/b", "capability_id": "noop", "path": "a.txt", "channel": "clerk"}


def refused(response: httpx.Response, *words: str) -> str:
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert error["code"] == "INVALID_REQUEST"
    for word in words:
        assert word in error["message"]
    return error["message"]


@pytest.fixture
async def session(client: httpx.AsyncClient) -> str:
    return (await client.post("/v1/sessions")).json()["id"]


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("agents", {"name": "a", "model": "b/c"}, "model: unknown field. Did you mean 'default_m"),
        ("agents", {"name": "a", "prompt": "Hi"}, "prompt: unknown field. Did you mean 'system_p"),
        ("agents", {"name": "a", "instructions": ""}, "Did you mean 'system_prompt'?"),
        ("agents", {"name": "a", "systemPrompt": ""}, "Did you mean 'system_prompt'?"),
        ("agents", {"name": "a", "colour": 1}, "colour: unknown field. Known fields: capabilities"),
        ("agents", {"name": "a", "capabilities": [{"ref": "noop", "conf": {}}]}, "'config'"),
        ("agents", {"name": "a", "tools": [{"nme": "t"}]}, "tools.0.nme: unknown field. Did you"),
        ("agents", {"name": "a", "network_access": {}}, "network_access: unknown field."),
        ("agents", {"name": "a", "controls": {"hints": {}}}, "controls.hints: unknown field."),
        ("sessions", {"agent": "support"}, "agent: unknown field. Did you mean 'agent_id'?"),
        ("sessions", {"model": "a/b"}, "Did you mean 'model_id'?"),
        ("llm-providers", {"name": "a", "key": "x"}, "key: unknown field. Did you mean 'api_key'?"),
        (
            "llm-providers",
            {"name": "a", "provider_type": "openai", "models": [{"model_id": "m", "price": 1}]},
            "models.0.price: unknown field.",
        ),
    ],
)
async def test_an_unknown_field_is_refused(
    client: httpx.AsyncClient, path: str, body: dict, words: str
):
    before = (await client.get(f"/v1/{path}")).json()["total"]

    refused(await client.post(f"/v1/{path}", json=body), words)

    assert (await client.get(f"/v1/{path}")).json()["total"] == before


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"content": "hi", "model": "a/b"}, "model: unknown field."),
        ({"message": "hi", "content": "ho"}, "body: give either a message, or its content"),
        ({"text": "hi"}, "text: unknown field. Did you mean 'content'?"),
        ({"message": {"content": "hi", "name": "Ann"}}, "message.name: unknown field."),
        ({"content": [{"type": "text", "text": "a", "txt": 1}]}, "message.content.0.txt: unkn"),
        ({"content": "hi", "controls": {"reasoning": {"efort": "low"}}}, "reasoning.efort: unkno"),
    ],
)
async def test_an_unknown_field_of_a_message_is_refused(
    client: httpx.AsyncClient, session: str, body: dict, words: str
):
    path = f"/v1/sessions/{session}/messages"

    refused(await client.post(path, json=body), words)

    assert (await client.get(path)).json()["total"] == 0


async def test_objects_of_the_clients_own_stay_free(client: httpx.AsyncClient, session: str):
    schema = {"type": "object", "properties": {"a": {"x-own": 1}}, "x-own": True}
    tool = {"name": "t", "description": "", "parameters": schema}
    agent = await client.post("/v1/agents", json={"name": "a", "tools": [tool]})
    body = {"content": "hi", "metadata": {"any": {"thing": 1}}}
    message = await client.post(f"/v1/sessions/{session}/messages", json=body)

    assert agent.json()["tools"][0]["parameters"] == schema
    assert message.json()["metadata"] == {"any": {"thing": 1}}


async def test_several_unknown_fields_are_named_at_once(client: httpx.AsyncClient):
    message = refused(await client.post("/v1/agents", json={"name": "a", "modle": 1, "tgs": []}))

    assert "modle: " in message
    assert "tgs: unknown field. Did you mean 'tags'?" in message


async def test_a_long_name_is_cut(client: httpx.AsyncClient):
    message = refused(await client.post("/v1/agents", json={"name": "a", "x" * 10_000: 1}))

    assert len(message) < 500


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("page=2", "page: unknown query parameter. Did you mean 'offset'?"),
        ("per_page=5", "Did you mean 'limit'?"),
        ("agent=x", "agent: unknown query parameter. Did you mean 'agent_id'?"),
        ("colour=red", "colour: unknown query parameter. Known query parameters: agent_id, "),
        ("limit=5&limit=6", "limit: is given more than once"),
    ],
)
async def test_an_unknown_or_repeated_query_parameter_is_refused(
    client: httpx.AsyncClient, session: str, query: str, words: str
):
    refused(await client.get(f"/v1/sessions?{query}"), words)


def routes_of(app: FastAPI, prefix: str) -> list[APIRoute]:
    return [
        route
        for route in app.router.routes
        if isinstance(route, APIRoute)
        and route.include_in_schema
        and route.path.startswith(f"{prefix}/")
    ]


def filled(route: APIRoute, **known: str) -> str:
    names = route.param_convertors
    given = {**ANYTHING, **known}
    return route.path_format.format_map(
        {name: given.get(name) or new_id(name.removesuffix("_id")) for name in names}
    )


async def session_of_clerk(client: httpx.AsyncClient) -> str:
    await client.post("/v1/agents", json={"name": "clerk"})
    return (await client.post("/v1/channels/clerk/sessions")).json()["id"]


async def test_every_route_of_v1_refuses_an_unknown_query_parameter(
    client: httpx.AsyncClient, app: FastAPI
):
    session_id = await session_of_clerk(client)
    routes = routes_of(app, "/v1")
    assert len(routes) > 40
    for route in routes:
        for method in route.methods or ():
            path = filled(route, session_id=session_id)
            response = await client.request(method, f"{path}?zzz=1", json={})
            refused(response, "zzz: unknown query parameter.")


async def test_every_route_with_a_body_refuses_an_unknown_field(
    client: httpx.AsyncClient, app: FastAPI
):
    routes = [
        route
        for route in routes_of(app, "/v1")
        if "application/json'" in str(route.openapi_extra) or route.body_field
    ]
    assert len(routes) > 10
    session_id = await session_of_clerk(client)
    for route in routes:
        for method in route.methods or ():
            path = filled(route, session_id=session_id)
            response = await client.request(method, path, json={"zzz": 1})
            refused(response, "zzz: unknown field.")


async def test_every_route_without_a_body_refuses_one(client: httpx.AsyncClient, app: FastAPI):
    routes = [
        route
        for route in routes_of(app, "/v1")
        if "requestBody" not in (route.openapi_extra or {}) and not route.body_field
    ]
    assert len(routes) > 40
    session_id = await session_of_clerk(client)
    for route in routes:
        for method in route.methods or ():
            path = filled(route, session_id=session_id)
            response = await client.request(method, path, json={"reason": "enough"})
            refused(response, "body: this route takes none")


@pytest.mark.parametrize("content", [b"", b"{}", b" {}\n"])
@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_body_that_says_nothing_is_none(
    client: httpx.AsyncClient, session: str, content: bytes, is_chunked: bool
):
    async def chunks():
        yield content

    body = chunks() if is_chunked else content

    answer = await client.post(f"/v1/sessions/{session}/cancel", content=body)

    assert answer.json() == {"status": "no_op"}


async def test_a_body_in_chunks_is_refused_where_none_is_taken(
    client: httpx.AsyncClient, session: str
):
    async def chunks():
        yield b'{"reason":'
        yield b' "enough"}'

    answer = await client.post(f"/v1/sessions/{session}/cancel", content=chunks())

    refused(answer, "body: this route takes none")


async def test_the_sdks_face_ignores_a_body_that_it_does_not_take(
    client: httpx.AsyncClient, session: str
):
    answer = await client.post(f"/api/v1/sessions/{session}/cancel", json={"reason": "enough"})

    assert answer.json() == {"status": "no_op"}


async def test_the_sdks_face_takes_what_it_does_not_know(client: httpx.AsyncClient):
    body = {"name": "a", "system_prompt": "", "harness_name": "generic", "colour": "red"}
    agent = await client.post("/api/v1/agents?colour=red", json=body)

    assert agent.status_code == 201
    assert (await client.get("/api/v1/agents?colour=red")).status_code == 200


@pytest.mark.parametrize(
    "field",
    [
        {"network_access": {"allowed": ["example.com"]}},
        {"network_access": {"blocked": ["*"]}},
    ],
)
async def test_the_sdks_face_refuses_what_promises_what_is_not_there(
    client: httpx.AsyncClient, field: dict
):
    agent = (await client.post("/api/v1/agents", json={"name": "a"})).json()

    for response in (
        await client.post("/api/v1/agents", json={"name": "b", **field}),
        await client.patch(f"/api/v1/agents/{agent['id']}", json=field),
        await client.post("/api/v1/sessions", json=field),
    ):
        assert response.status_code == 501, response.text
        error = response.json()["error"]
        assert error["code"] == "NOT_IMPLEMENTED"
        assert error["message"].startswith(f"{next(iter(field))}: This server does not ")
    assert (await client.get("/api/v1/sessions")).json()["total"] == 0


@pytest.mark.parametrize(
    "field",
    [
        {"network_access": None},
        {"network_access": {"allowed": [], "blocked": []}},
        {"mcp_servers": {}},
    ],
)
async def test_empty_values_promise_nothing(client: httpx.AsyncClient, field: dict):
    assert (await client.post("/api/v1/sessions", json=field)).status_code == 201
