"""The command line's HTTP client: what it asks, and what it makes of answers."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from everruns.commands.server import Server
from everruns.errors import (
    EverrunsError,
    Forbidden,
    InvalidRequest,
    NotFound,
    Overloaded,
    Unauthorized,
    Unavailable,
)

Handler = Callable[[httpx.Request], httpx.Response]


def server(handler: Handler, key: str | None = None) -> Server:
    return Server("http://server:9300", key, httpx.MockTransport(handler))


def refusing(status: int, code: str, message: str = "It is so", **headers: str) -> Handler:
    error = {"error": {"message": message, "code": code}}
    return lambda _: httpx.Response(status, json=error, headers=headers)


async def call(handler: Handler, method: str = "GET", **options: Any) -> Any:
    async with server(handler) as api:
        return await api.call(method, "/v1/things", **options)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "INVALID_ID", InvalidRequest),
        (401, "UNAUTHORIZED", Unauthorized),
        (403, "FORBIDDEN", Forbidden),
        (404, "AGENT_NOT_FOUND", NotFound),
        (429, "TOO_MANY_REQUESTS", Overloaded),
        (503, "CAPACITY_EXHAUSTED", Unavailable),
        (500, "SESSION_UNREADABLE", EverrunsError),
    ],
)
async def test_a_refusal_keeps_its_code_and_is_told_in_one_line(
    status: int, code: str, kind: type[EverrunsError]
):
    with pytest.raises(kind) as refused:
        await call(refusing(status, code))

    assert refused.value.code == code
    assert refused.value.message.startswith("It is so. ")
    assert refused.value.message.endswith(f"({code})")
    assert "\n" not in refused.value.message


async def test_a_wrong_key_is_told_where_keys_come_from():
    with pytest.raises(Unauthorized, match=r"EVERRUNS_API_KEY .*--key-file.*everruns keys create"):
        await call(refusing(401, "UNAUTHORIZED"))


async def test_the_key_is_shown_and_never_printed():
    asked: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        raise httpx.ConnectError("refused")

    async with server(handle, "evr_secret") as api:
        with pytest.raises(Unavailable) as refused:
            await api.call("GET", "/v1/agents")

    assert asked[0].headers["authorization"] == "Bearer evr_secret"
    assert "secret" not in repr(refused.value) + repr(api)


async def test_a_server_that_is_not_there_is_named():
    def handle(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(
        Unavailable, match=r"No server answers at http://server:9300\. .*everruns serve"
    ):
        await call(handle)


@pytest.mark.parametrize("status", [404, 502])
async def test_what_says_nothing_may_be_starting(status: int):
    with pytest.raises(Unavailable, match=f"HTTP {status}: the server is starting"):
        await call(lambda _: httpx.Response(status, text="<html>"))


@pytest.mark.parametrize(
    "answer", [httpx.Response(302, headers={"Location": "/"}), httpx.Response(200, text="<html>")]
)
async def test_what_is_no_everruns_server_is_told(answer: httpx.Response):
    with pytest.raises(EverrunsError, match="address of an Everruns server"):
        await call(lambda _: answer)


async def test_an_answer_that_is_too_large_is_not_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("everruns.commands.server.LARGEST_ANSWER_BYTES", 1000)

    with pytest.raises(EverrunsError, match="larger than"):
        await call(lambda _: httpx.Response(200, json={"text": "x" * 1000}))


async def test_with_patience_the_same_request_is_made_until_the_server_is_back():
    asked: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if len(asked) < 3:
            return refusing(503, "HOST_LOST", **{"Retry-After": "0.01"})(request)
        return httpx.Response(201, json={"id": "thing"})

    made = await call(
        handle, "POST", body={"content": "hi"}, idempotency_key="once", patience_s=10.0
    )

    assert made == {"id": "thing"}
    sent = {(item.headers["idempotency-key"], item.content) for item in asked}
    assert len(sent) == 1
    assert len(asked) == 3


async def test_without_patience_it_is_told_at_once():
    asked: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return refusing(503, "HOST_LOST")(request)

    with pytest.raises(Unavailable):
        await call(handle)

    assert len(asked) == 1


@pytest.mark.parametrize(
    ("limit", "pages"), [(5, [(0, 5)]), (250, [(0, 100), (100, 100), (200, 50)])]
)
async def test_a_list_is_as_long_as_wanted(limit: int, pages: list[tuple[int, int]]):
    asked: list[tuple[int, int]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        query = request.url.params
        assert query["status"] == "idle"
        assert "agent_id" not in query
        offset, size = int(query["offset"]), int(query["limit"])
        asked.append((offset, size))
        items = list(range(1000))[offset : offset + size]
        page = {"data": items, "total": 1000, "offset": offset, "limit": size}
        return httpx.Response(200, json=page)

    async with server(handle) as api:
        page = await api.list("/v1/sessions", limit, {"status": "idle", "agent_id": None})

    assert page == {"data": list(range(limit)), "total": 1000, "offset": 0, "limit": limit}
    assert asked == pages


async def test_the_code_of_a_refusal_is_not_put_below_the_place_of_a_mistake():
    message = 'Referenced column "nope" not found!\n\nLINE 1: SELECT nope\n               ^^^^'

    with pytest.raises(InvalidRequest) as refused:
        await call(refusing(400, "INVALID_QUERY", message))

    first, *below = refused.value.message.split("\n")
    assert first == 'Referenced column "nope" not found! (INVALID_QUERY)'
    assert below == message.split("\n")[1:]


@pytest.mark.parametrize("given", [{"body": {"query": "\udcff"}}, {"query": {"search": "\udcff"}}])
async def test_what_is_no_text_is_refused_before_it_is_sent(given: dict[str, Any]):
    with pytest.raises(InvalidRequest, match="UTF-8"):
        await call(lambda _: httpx.Response(200, json={}), **given)


async def test_an_empty_answer_is_none():
    assert await call(lambda _: httpx.Response(204), "DELETE") is None


async def test_a_body_is_sent_as_json():
    echoed = await call(
        lambda request: httpx.Response(200, json=json.loads(request.content)), "POST", body={"a": 1}
    )

    assert echoed == {"a": 1}
