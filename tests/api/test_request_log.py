"""Each request has an id and a line in the log, which quotes nothing of it."""

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs
from structlog.typing import EventDict

from everruns.ids import new_id
from everruns.log import add_ids, replace_exception
from everruns.runtime.local import LocalRuntime
from tests.api.credentials import client_of

Requests = Callable[[], list[EventDict]]

SAID = "cabbage-in-the-cellar"


@pytest.fixture
def logged() -> Iterator[list[EventDict]]:
    with capture_logs([add_ids, replace_exception]) as lines:
        yield lines


@pytest.fixture
def requests(app: FastAPI, logged: list[EventDict]) -> Requests:
    """Returns the lines of the requests up to now."""

    def settled() -> list[EventDict]:
        app.state.requests.settle()
        return [line for line in logged if line["event"] == "request"]

    return settled


async def test_a_request_is_logged_by_its_route(client: httpx.AsyncClient, requests: Requests):
    session = (await client.post("/v1/sessions", json={})).json()["id"]
    await client.get(f"/v1/sessions/{session}")

    created, read = requests()
    assert (created["method"], created["route"], created["status"]) == ("POST", "/v1/sessions", 201)
    assert (read["route"], read["session_id"]) == ("/v1/sessions/{session_id}", session)
    assert read["duration_ms"] > 0
    assert read["request_id"] != created["request_id"]


async def test_a_client_may_name_its_request(client: httpx.AsyncClient, requests: Requests):
    await client.get("/v1/agents", headers={"X-Request-ID": "order-1234"})
    (line,) = requests()
    assert line["request_id"] == "order-1234"


@pytest.mark.parametrize("given", [f"{SAID} with spaces", "x" * 65, "short", '"quoted"...'])
async def test_a_name_that_does_not_look_like_an_id_is_replaced(
    client: httpx.AsyncClient, requests: Requests, given: str
):
    await client.get("/v1/agents", headers={"X-Request-ID": given})
    (line,) = requests()
    assert line["request_id"].startswith("request_")


async def test_nothing_that_its_sender_words_is_in_the_line(
    client: httpx.AsyncClient, requests: Requests, logged: list[EventDict]
):
    headers = {"Authorization": f"Bearer {SAID}", "End-User": SAID}
    await client.get(f"/v1/{SAID}", headers=headers)
    await client.get(f"/v1/agents?{SAID}={SAID}", headers=headers)
    await client.get(f"/v1/sessions/{SAID}", headers=headers)
    await client.post("/v1/agents", json={SAID: SAID}, headers=headers)
    await client.post("/v1/agents", content=SAID, headers=headers)
    await client.get(f"/v1/sessions/{new_id('session')}/files/{SAID}", headers=headers)

    assert [line["status"] >= 400 for line in requests()] == 6 * [True]
    assert SAID not in str(logged)


async def test_probes_are_logged_only_if_they_fail(
    client: httpx.AsyncClient,
    requests: Requests,
    runtime: LocalRuntime,
    monkeypatch: pytest.MonkeyPatch,
):
    await client.get("/health")
    await client.get("/ready")
    assert requests() == []

    async def fail() -> NoReturn:
        raise KeyError(SAID)

    monkeypatch.setattr(runtime, "ready", fail)
    await client.get("/ready")
    assert [line["status"] for line in requests()] == [500]


async def test_a_fault_is_logged_under_the_id_that_its_client_is_told(
    client: httpx.AsyncClient,
    logged: list[EventDict],
    runtime: LocalRuntime,
    monkeypatch: pytest.MonkeyPatch,
):
    async def fail(*_: Any) -> NoReturn:
        raise KeyError(SAID)

    monkeypatch.setattr(runtime.registry.agents, "list", fail)
    answer = await client.get("/v1/agents")
    failed = next(line for line in logged if line["event"] == "request failed")
    assert failed["request_id"] in answer.text
    assert "builtins.KeyError" in failed["exception"]
    assert SAID not in str(logged)


async def test_an_application_that_ends_logs_the_requests_of_its_last_moment(
    app: FastAPI, logged: list[EventDict]
):
    async with client_of(app) as client:
        await client.get("/v1/agents")
        assert [line for line in logged if line["event"] == "request"] == []
    assert [line["route"] for line in logged if line["event"] == "request"] == ["/v1/agents"]
