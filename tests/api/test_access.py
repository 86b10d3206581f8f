"""Who may do what: every route with every kind of credential."""

import httpx
import pytest
from fastapi import FastAPI

from everruns.api.http.access import Access, GuardedRoute
from everruns.domain.rights import RIGHTS, Right
from everruns.ids import new_id
from everruns.registry.keys import ApiKeys
from everruns.settings import Settings
from tests.api.credentials import Headers
from tests.api.desks import SCOPES, Desk, code_of, desk_of

OUT_OF_SCOPE = {"AGENT_NOT_FOUND", "SESSION_NOT_FOUND", "WORKSPACE_NOT_FOUND"}
# Of nobody in particular: what they answer shows nothing of anybody.
FOR_ALL = {"GET /health", "GET /ready", "GET /oauth/callback", "GET /oauth/client"}

# What a credential with limits may use, and with which right. Everything else is closed to it: a
# route that is missing here must not be open, and a line here is what a review looks at.
OPEN: dict[str, Right] = {
    "GET /agents": "read_agents",
    "GET /agents/{agent_id}": "read_agents",
    "GET /agents/{agent_id}/export": "read_agents",
    "GET /agents/{agent_id}/sessions": "read",
    "POST /agents/{agent_id}/sessions": "create_sessions",
    "GET /mcp-servers/{mcpserver_id}/authorizations": "answer",
    "POST /mcp-servers/{mcpserver_id}/authorizations": "answer",
    "DELETE /mcp-servers/{mcpserver_id}/authorizations/{mcpauthorization_id}": "answer",
    "GET /sessions": "read",
    "POST /sessions": "create_sessions",
    "GET /sessions/{session_id}": "read",
    "PATCH /sessions/{session_id}": "manage_sessions",
    "DELETE /sessions/{session_id}": "manage_sessions",
    "POST /sessions/{session_id}/fork": "create_sessions",
    "POST /sessions/{session_id}/retry": "send",
    "POST /sessions/{session_id}/cancel": "send",
    "GET /sessions/{session_id}/context": "read",
    "GET /sessions/{session_id}/messages": "read",
    "GET /usage": "read",
    "POST /sessions/{session_id}/messages": "send",
    "GET /sessions/{session_id}/export": "read",
    "GET /sessions/{session_id}/events": "read",
    "GET /sessions/{session_id}/events/list": "read",
    "GET /sessions/{session_id}/sse": "read",
    "POST /sessions/{session_id}/tool-results": "run_tools",
    "POST /sessions/{session_id}/question-answers": "answer",
    "POST /sessions/{session_id}/tool-approvals": "decide",
    "GET /channels/{channel}": "read",
    "GET /channels/{channel}/sessions": "read",
    "POST /channels/{channel}/sessions": "create_sessions",
    "GET /channels/{channel}/sessions/{session_id}": "read",
    "POST /channels/{channel}/sessions/{session_id}/cancel": "send",
    "POST /channels/{channel}/sessions/{session_id}/messages": "send",
    "GET /channels/{channel}/sessions/{session_id}/events": "read",
    "GET /channels/{channel}/sessions/{session_id}/events/list": "read",
    "GET /channels/{channel}/sessions/{session_id}/sse": "read",
    "POST /channels/{channel}/sessions/{session_id}/tool-results": "run_tools",
    "POST /channels/{channel}/sessions/{session_id}/question-answers": "answer",
    "POST /channels/{channel}/sessions/{session_id}/tool-approvals": "decide",
    "GET /workspaces/{workspace_id}": "read",
    "GET /workspaces/{workspace_id}/fs": "read",
    "GET /workspaces/{workspace_id}/fs/{path}": "read",
    "GET /workspaces/{workspace_id}/raw/{path}": "read",
    "PUT /workspaces/{workspace_id}/raw/{path}": "files",
    "POST /workspaces/{workspace_id}/fs/{path}": "files",
    "PUT /workspaces/{workspace_id}/fs/{path}": "files",
    "DELETE /workspaces/{workspace_id}/fs/{path}": "files",
    "POST /workspaces/{workspace_id}/fs/_/move": "files",
    "POST /workspaces/{workspace_id}/fs/_/copy": "files",
    "POST /workspaces/{workspace_id}/fs/_/grep": "read",
    "POST /workspaces/{workspace_id}/fs/_/stat": "read",
}
# What they tell is what the credential itself may do.
FOR_EVERY_CREDENTIAL = {"GET /deployment"}
FOR_KEYS = {"POST /access-tokens", "POST /channels/{channel}/runtime-auth"}
KEEPING_SCOPE = {
    "GET /agents",
    "GET /sessions",
    "POST /sessions",
    "POST /access-tokens",
    "GET /usage",
    "GET /mcp-servers/{mcpserver_id}/authorizations",
    "POST /mcp-servers/{mcpserver_id}/authorizations",
    "DELETE /mcp-servers/{mcpserver_id}/authorizations/{mcpauthorization_id}",
}
# Routes that take an access token in the query. Those of /v1 at …/sse say where the streams are.
STREAMS = {
    "/v1/sessions/{session_id}/events",
    "/v1/sessions/{session_id}/sse",
    "/v1/channels/{channel}/sessions/{session_id}/events",
    "/v1/channels/{channel}/sessions/{session_id}/sse",
    "/api/v1/sessions/{session_id}/sse",
    "/api/v1/channels/{channel}/sessions/{session_id}/sse",
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"auth": "api_keys"})


@pytest.fixture
async def desk(guarded: httpx.AsyncClient, keys: ApiKeys) -> Desk:
    return await desk_of(guarded, keys)


def routes_of(app: FastAPI) -> list[GuardedRoute]:
    return [route for route in app.routes if isinstance(route, GuardedRoute)]


async def called(
    desk: Desk, route: GuardedRoute, names: dict[str, str], headers: Headers
) -> httpx.Response:
    """Call a route with what is known of its path; other names are made up."""
    made_up = {
        name: new_id(name.removesuffix("_id"))
        for name in route.param_convertors
        if name.endswith("_id")
    }
    path = route.path_format.format_map(
        {**dict.fromkeys(route.param_convertors, "x"), **made_up, **names}
    )
    if "{user}" in route.operation:
        path = path.replace("x", "alice")
    # A stream would last; its headers alone tell who may open it.
    method = "HEAD" if route.is_stream else min(route.methods or ())
    return await desk.client.request(
        method, path, headers=headers, content=b"{}" if method in {"POST", "PUT", "PATCH"} else b""
    )


def test_routes_are_open_as_the_table_says_and_no_others(app: FastAPI):
    routes = routes_of(app)

    assert {r.operation: r.right for r in routes if r.right is not None} == OPEN
    assert {r.operation for r in routes if r.is_for_keys} == FOR_KEYS
    assert {r.operation for r in routes if r.is_for_all} == FOR_EVERY_CREDENTIAL
    assert {r.operation for r in routes if r.keeps_scope} == KEEPING_SCOPE
    assert {r.path_format for r in routes if r.is_stream} == STREAMS


def test_a_route_is_as_open_on_one_face_as_on_the_other(app: FastAPI):
    rights: dict[str, set[Right | None]] = {}
    for route in routes_of(app):
        rights.setdefault(route.operation, set()).add(route.right)

    assert all(len(found) == 1 for found in rights.values())


async def test_a_route_that_is_not_declared_is_for_keys_without_limits(app: FastAPI, desk: Desk):
    open_ = OPEN.keys() | FOR_KEYS | FOR_ALL | FOR_EVERY_CREDENTIAL
    closed = [route for route in routes_of(app) if route.operation not in open_]
    assert len(closed) > 50

    for scope in SCOPES:
        headers = await desk.credential(scope, list(RIGHTS))
        for route in closed:
            answer = await called(desk, route, desk.own, headers)
            assert (answer.status_code, code_of(answer)) == (403, "FORBIDDEN"), route.path


@pytest.mark.parametrize("scope", SCOPES)
async def test_without_the_right_of_a_route_nothing_is_done_or_told(
    app: FastAPI, desk: Desk, scope: str
):
    for route in routes_of(app):
        if (right := OPEN.get(route.operation)) is not None:
            headers = await desk.credential(scope, [other for other in RIGHTS if other != right])
            for names in (desk.own, desk.others, {}):
                answer = await called(desk, route, names, headers)
                assert answer.status_code == 403, route.path
                assert route.is_stream or code_of(answer) == "FORBIDDEN"


@pytest.mark.parametrize("scope", SCOPES)
async def test_what_is_out_of_scope_looks_like_what_is_not_there(
    app: FastAPI, desk: Desk, scope: str
):
    headers = await desk.credential(scope, list(RIGHTS))
    for route in routes_of(app):
        if route.operation not in OPEN or route.operation in KEEPING_SCOPE:
            continue
        answer = await called(desk, route, desk.others, headers)
        nowhere = {**desk.others, "agent_id": new_id("agent"), "channel": new_id("agent")}
        nowhere |= {"session_id": new_id("session"), "workspace_id": new_id("workspace")}
        missing = await called(desk, route, nowhere, headers)

        assert answer.status_code == missing.status_code == 404, route.path
        if not route.is_stream:
            assert code_of(answer) == code_of(missing)
            assert code_of(answer) in OUT_OF_SCOPE


@pytest.mark.parametrize("scope", SCOPES)
async def test_what_is_in_scope_is_reached_with_the_right_alone(
    app: FastAPI, desk: Desk, scope: str
):
    # These only say where the streams are.
    pointing = {
        "/v1/sessions/{session_id}/sse",
        "/v1/channels/{channel}/sessions/{session_id}/sse",
    }
    for route in routes_of(app):
        right = OPEN.get(route.operation)
        if right is None or route.operation == "DELETE /sessions/{session_id}":
            continue
        headers = {**await desk.credential(scope, [right]), "End-User": "alice"}
        answer = await called(desk, route, desk.own, headers)
        assert answer.status_code not in {401, 403}, route.path
        assert code_of(answer) not in OUT_OF_SCOPE, (route.path, answer.text)
        assert answer.status_code < 500
        assert not route.is_stream or answer.status_code == (
            404 if route.path_format in pointing else 200
        )

    headers = await desk.credential(scope, ["manage_sessions"])
    path = f"/v1/sessions/{desk.own['session_id']}"
    assert (await desk.client.delete(path, headers=headers)).status_code == 204


async def test_a_new_route_is_closed_until_it_is_opened(app: FastAPI):
    async def endpoint() -> None: ...

    route = GuardedRoute("/v1/sessions/{session_id}/anything", endpoint, methods=["POST"])

    assert route.right is None
    assert not route.is_for_keys
    assert not route.is_for_all


def test_a_route_is_not_opened_whose_path_nothing_checks():
    async def endpoint() -> None: ...

    with pytest.raises(ValueError, match="Nothing in the path"):
        GuardedRoute("/v1/things/{thing_id}", endpoint, methods=["GET"], access=Access("read"))
