"""HTTP to a server: only checked addresses, within bounds, and every failure is an answer."""

import gzip
import itertools
import json
from contextlib import suppress

import httpx2
import pytest

from everruns.mcp.wire import MAX_MESSAGE_BYTES, BoundedTransport, effect_of
from everruns.tools.egress import PinnedTransport

PUBLIC = "93.184.216.34"


def answering(*responses: httpx2.Response | Exception, addresses=((PUBLIC,),)):
    """Return a client whose names resolve to given addresses in turn, and what it was sent."""
    left, given, sent = list(responses), list(addresses), []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        response = left.pop(0)
        if isinstance(response, Exception):
            raise response
        return response

    async def resolver(_host: str):
        return given.pop(0) if len(given) > 1 else given[0]

    inner = PinnedTransport(False, httpx2.MockTransport(answer), resolver)
    return httpx2.AsyncClient(transport=BoundedTransport(inner)), sent


def said(response: httpx2.Response):
    error = response.json()["error"]
    return effect_of(error["data"]), error["message"]


async def post(client: httpx2.AsyncClient, **headers: str) -> httpx2.Response:
    return await client.post("https://shop.test/mcp", json={"id": 1}, headers=headers)


async def test_a_request_goes_to_the_address_that_was_checked():
    client, sent = answering(httpx2.Response(200, json={}), addresses=[(PUBLIC,), ("127.0.0.1",)])
    await post(client)
    assert sent[0].url.host == PUBLIC
    assert sent[0].headers["host"] == "shop.test"


async def test_a_name_that_turns_private_between_two_requests_is_refused():
    client, sent = answering(httpx2.Response(200, json={}), addresses=[(PUBLIC,), ("10.0.0.1",)])
    await post(client)
    effect, words = said(await post(client))
    assert effect == "not_delivered"
    assert "not on the public internet" in words
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("failure", "effect"),
    [
        (httpx2.ConnectError("no"), "not_delivered"),
        (httpx2.ConnectTimeout("no"), "not_delivered"),
        (httpx2.PoolTimeout("no"), "not_delivered"),
        (httpx2.ReadTimeout("no"), "unknown"),
        (httpx2.ReadError("no"), "unknown"),
        (httpx2.WriteError("no"), "unknown"),
        (httpx2.RemoteProtocolError("no"), "unknown"),
    ],
)
async def test_a_failure_in_the_network_says_whether_the_server_may_have_acted(failure, effect):
    client, _ = answering(failure)
    assert said(await post(client))[0] == effect


@pytest.mark.parametrize(
    ("status", "effect"),
    [
        (400, "refused"),
        (401, "refused"),
        (404, "refused"),
        (500, "unknown"),
        (502, "unknown"),
        (503, "unknown"),
        (504, "unknown"),
    ],
)
async def test_a_status_without_an_error_of_the_protocol_becomes_one(status, effect):
    client, _ = answering(httpx2.Response(status, text="<html>"))
    response = await post(client)
    assert response.status_code == status
    assert said(response)[0] == effect


async def test_an_error_of_the_protocol_stays_as_it_is():
    body = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32022, "message": "no", "data": {}}}
    client, _ = answering(httpx2.Response(400, json=body))
    assert (await post(client)).json() == body


async def test_a_session_that_the_server_has_forgotten_was_not_acted_on():
    client, _ = answering(httpx2.Response(404))
    response = await post(client, **{"mcp-session-id": "a"})
    assert said(response) == ("not_delivered", "it has forgotten the session")


async def test_a_server_that_says_when_to_ask_again_has_not_acted():
    client, _ = answering(httpx2.Response(503, headers={"retry-after": "5"}))
    assert said(await post(client)) == ("not_delivered", "it is unavailable (HTTP 503)")


@pytest.mark.parametrize(
    "words",
    [
        "Bad Request: No valid session ID provided",
        "Bad Request: Server not initialized",
        "Bad Request: Missing session ID",
        "Bad Request: Mcp-Session-Id header is required",
    ],
)
async def test_a_library_that_misses_the_session_was_not_acted_on(words):
    body = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": words}}
    client, _ = answering(httpx2.Response(400, json=body))
    assert said(await post(client))[0] == "not_delivered"


@pytest.mark.parametrize("headers", [{}, {"mcp-session-id": "a"}])
@pytest.mark.parametrize("status", [400, 500, 503])
async def test_an_error_that_mentions_a_session_is_the_servers_answer(status, headers):
    words = "Card charged, but the checkout session could not be closed"
    body = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": words}}
    client, _ = answering(httpx2.Response(status, json=body))
    assert (await post(client, **headers)).json() == body


async def test_the_headers_of_a_refusal_are_kept():
    headers = {"www-authenticate": 'Bearer resource_metadata="https://a.test/m"'}
    client, _ = answering(httpx2.Response(401, headers=headers))
    assert (await post(client)).headers["www-authenticate"] == headers["www-authenticate"]


@pytest.mark.parametrize("packed", [False, True])
async def test_a_body_beyond_the_bound_is_not_read_on(packed):
    body = json.dumps("x" * (2 * MAX_MESSAGE_BYTES)).encode()
    headers = {"content-type": "application/json"}
    if packed:
        body, headers["content-encoding"] = gzip.compress(body), "gzip"
    client, _ = answering(httpx2.Response(200, headers=headers, stream=httpx2.ByteStream(body)))
    assert said(await post(client)) == ("unknown", "its answer is larger than 4 MiB")


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
async def test_an_encoding_that_was_not_asked_for_is_refused(encoding):
    headers = {"content-type": "application/json", "content-encoding": encoding}
    client, _ = answering(httpx2.Response(200, headers=headers, stream=httpx2.ByteStream(b"x")))
    assert said(await post(client))[0] == "unknown"


class Endless(httpx2.AsyncByteStream):
    """A stream that repeats some bytes."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = itertools.cycle(chunks)

    async def __aiter__(self):
        for chunk in self._chunks:
            yield chunk


async def read_of(stream: Endless, enough: int) -> int:
    """Read a stream of events to its end, or until so many bytes are enough."""
    headers = {"content-type": "text/event-stream"}
    client, _ = answering(httpx2.Response(200, headers=headers, stream=stream))
    read = 0
    with suppress(httpx2.ReadError):
        async with client.stream("GET", "https://shop.test/mcp") as response:
            async for chunk in response.aiter_raw():
                read += len(chunk)
                if read >= enough:
                    break
    return read


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\r"])
async def test_a_stream_ends_with_an_event_beyond_the_bound(end):
    read = await read_of(Endless(b"data: ", b"x" * 100_000 + end), 100 * MAX_MESSAGE_BYTES)
    assert MAX_MESSAGE_BYTES - 200_000 < read <= MAX_MESSAGE_BYTES


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
async def test_a_stream_of_many_events_has_no_bound(end):
    enough = 10 * MAX_MESSAGE_BYTES
    assert await read_of(Endless(b"x" * 100_000 + end, end + b"data: "), enough) >= enough


def test_a_servers_own_data_is_not_taken_for_ours():
    assert effect_of({"everruns/effect": "free pizza"}) is None
    assert effect_of("unknown") is None
