"""Every failure has one shape, on every path and status."""

from typing import Any, NoReturn

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import Route
from structlog.testing import capture_logs

from everruns.api.console import ASSETS, ICON
from everruns.domain.messages import Message
from everruns.errors import EverrunsError, HostLost, NotImplementedHere, Overloaded
from everruns.log import replace_exception
from everruns.runtime.local import LocalRuntime


def error_of(response: httpx.Response) -> dict:
    assert response.headers["content-type"] == "application/json"
    assert set(response.json()) == {"error"}
    return response.json()["error"]


@pytest.fixture
async def session_path(client: httpx.AsyncClient) -> str:
    return f"/v1/sessions/{(await client.post('/v1/sessions')).json()['id']}"


@pytest.mark.parametrize("path", ["/nothing", "/v1", "/v1/agents/", "/v1/nothing", "/api/v2"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_an_unknown_route_is_not_found(client: httpx.AsyncClient, path: str, method: str):
    response = await client.request(method, path)

    assert response.status_code == 404
    assert error_of(response)["code"] == "ROUTE_NOT_FOUND"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/agents", "GET, HEAD, POST"),
        ("/v1/agents/agent_" + "0" * 32, "DELETE, GET, HEAD, PATCH"),
        ("/v1/capabilities", "GET, HEAD"),
        ("/health", "GET, HEAD"),
        ("/swagger-ui/", "GET, HEAD"),
        # A name where an id belongs: what is there for ids is not for it.
        ("/api/v1/agents/import", "POST"),
        ("/v1/sessions/import", "POST"),
        # What is not offered is no way to succeed.
        ("/api/v1/harnesses", "GET, HEAD"),
        ("/api/v1/channels/clerk/sessions/session_" + "0" * 32 + "/events", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    client: httpx.AsyncClient, path: str, allowed: str
):
    response = await client.put(path)

    assert response.status_code == 405
    assert response.headers["allow"] == allowed
    assert error_of(response)["code"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize(
    "path", ["/api/v1/sessions/tool-results", "/v1/sessions/1/cancel", "/api/v1/memories"]
)
async def test_a_path_on_which_nothing_succeeds_is_not_found(client: httpx.AsyncClient, path: str):
    response = await client.put(path)

    assert response.status_code == 404
    assert error_of(response)["code"] == "ROUTE_NOT_FOUND"


async def test_every_allowed_method_is_one_that_works(client: httpx.AsyncClient, app: FastAPI):
    forms = [
        {"_id}": "_" + "0" * 32, "{channel}": "clerk"},
        {"{session_id}": "tool-results", "{agent_id}": "import", "_id}": "_id"},
    ]
    # Which files the console has depends on its build.
    files = {ICON, f"{ASSETS}/{{name}}"}
    paths = {route.path for route in app.routes if isinstance(route, Route)} - files
    for path in {filled(path, form) for path in paths for form in forms}:
        response = await client.request("PROPFIND", path)
        if response.status_code == 404:
            assert error_of(response)["code"] == "ROUTE_NOT_FOUND"
            continue
        assert response.status_code == 405
        for method in response.headers["allow"].split(", "):
            answer = await client.request(method, path)
            assert answer.status_code not in {405, 501}, (method, path)
            if answer.is_error and method != "HEAD":
                code = error_of(answer)["code"]
                assert code not in {"INVALID_ID", "ROUTE_NOT_FOUND"}, (method, path)


def filled(path: str, form: dict[str, str]) -> str:
    """A route's path with values for its parameters."""
    for placeholder, value in form.items():
        path = path.replace(placeholder, value)
    return path.replace("{", "").replace("}", "")


@pytest.mark.parametrize(
    ("failure", "status", "retry_after"),
    [
        (Overloaded("busy", None, 2.5), 429, "3"),
        (HostLost("lost"), 503, "1"),
        (NotImplementedHere("no"), 501, None),
        (EverrunsError("odd"), 500, None),
    ],
)
async def test_a_failure_of_the_runtime_has_its_status(
    client: httpx.AsyncClient,
    runtime: LocalRuntime,
    session_path: str,
    monkeypatch: pytest.MonkeyPatch,
    failure: EverrunsError,
    status: int,
    retry_after: str | None,
):
    async def fail(*_: Any) -> NoReturn:
        raise failure

    monkeypatch.setattr(runtime.sessions, "send", fail)
    response = await client.post(f"{session_path}/messages", json={"content": "hi"})

    assert response.status_code == status
    assert error_of(response) == {"message": failure.message, "code": failure.code}
    assert response.headers.get("retry-after") == retry_after


async def test_what_nobody_foresaw_is_told_to_the_log_alone(
    client: httpx.AsyncClient, runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch
):
    async def fail(*_: Any) -> NoReturn:
        raise KeyError("a private detail")

    monkeypatch.setattr(runtime.registry.agents, "list", fail)
    response = await client.get("/v1/agents")

    assert response.status_code == 500
    assert error_of(response)["code"] == "INTERNAL_ERROR"
    assert "private" not in response.text
    assert "request_" in response.text


async def test_what_is_said_is_in_no_log(
    client: httpx.AsyncClient,
    runtime: LocalRuntime,
    monkeypatch: pytest.MonkeyPatch,
):
    async def misread(*_: Any) -> NoReturn:
        said = {
            "content": [{"type": "text", "text": ["a private sentence"]}],
            "role": "a private role",
        }
        Message.model_validate(said)
        raise AssertionError("this is not a message")

    monkeypatch.setattr(runtime.registry.agents, "list", misread)
    with capture_logs([replace_exception]) as logged:
        await client.get("/v1/agents")

    failed = next(line for line in logged if line["event"] == "request failed")
    assert "pydantic_core._pydantic_core.ValidationError" in failed["exception"]
    assert "private" not in str(logged)


async def test_a_server_without_its_registry_is_not_ready(
    client: httpx.AsyncClient, runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch
):
    async def fail() -> NoReturn:
        raise HostLost("The registry does not answer.")

    monkeypatch.setattr(runtime, "ready", fail)
    response = await client.get("/ready")

    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert (await client.get("/health")).status_code == 200


async def test_a_failing_stream_ends_so_that_its_reader_reconnects(
    app: FastAPI, runtime: LocalRuntime, session_path: str, monkeypatch: pytest.MonkeyPatch
):
    async def break_off(*_: Any) -> Any:
        async def batches() -> Any:
            raise HostLost("lost")
            yield

        return batches()

    monkeypatch.setattr(runtime.sessions, "stream", break_off)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.get(f"{session_path}/events")

    assert response.text.endswith(
        'event: disconnecting\ndata: {"reason":"connection_cycle","retry_ms":100}\n\n'
    )
