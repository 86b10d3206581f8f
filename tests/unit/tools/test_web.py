"""Fetching: which requests are made, to which address, and what ends them."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest

from everruns.tools import web
from everruns.tools.base import ToolError
from everruns.tools.web import fetch

PUBLIC = "93.184.216.34"


class Names:
    """A DNS of a few names, whose answers can change from one look-up to the next."""

    def __init__(self, **answers: list[list[str]] | list[str]) -> None:
        self._answers = {
            name.replace("_", "."): answer if isinstance(answer[0], list) else [answer]
            for name, answer in answers.items()
        }
        self.asked: list[str] = []

    async def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        answers = self._answers.get(host, [[host]])
        return answers.pop(0) if len(answers) > 1 else answers[0]


class Sent:
    """An inner transport that answers by a table and keeps what it was asked."""

    def __init__(self, **pages: httpx2.Response) -> None:
        self.requests: list[httpx2.Request] = []
        self._pages = {name.replace("_", "."): page for name, page in pages.items()}
        self.transport = httpx2.MockTransport(self._answer)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return self._pages[request.headers["host"].split(":")[0]]


def page(body: bytes = b"", status: int = 200) -> httpx2.Response:
    return httpx2.Response(status, stream=httpx2.ByteStream(body))


def redirect(location: str, status: int = 302) -> httpx2.Response:
    return httpx2.Response(status, headers={"Location": location})


async def get(url: str, names: Names, sent: Sent, **options):
    options = {"method": "GET", "max_bytes": 1000, "allow_private": False, **options}
    return await fetch(url, resolver=names, inner=sent.transport, **options)


async def test_connection_goes_to_the_checked_address_under_the_name_of_the_host():
    names, sent = Names(site_test=[PUBLIC]), Sent(site_test=page(b"hi"))
    answer = await get("https://site.test/a?b=c", names, sent)
    request = sent.requests[0]
    assert request.url == f"https://{PUBLIC}/a?b=c"
    assert request.headers["host"] == "site.test"
    assert request.extensions["sni_hostname"] == "site.test"
    assert request.headers["user-agent"] == "Everruns-WebFetch/1.0"
    assert answer.url == "https://site.test/a?b=c"
    assert answer.body == b"hi"


async def test_name_is_looked_up_once_for_a_request_so_it_cannot_change_its_mind():
    names = Names(site_test=[[PUBLIC], ["127.0.0.1"]])
    sent = Sent(site_test=page())
    await get("http://site.test/", names, sent)
    assert names.asked == ["site.test"]
    assert sent.requests[0].url.host == PUBLIC


async def test_ipv6_address_is_pinned_too():
    names, sent = Names(site_test=["2606:4700::1111"]), Sent(site_test=page())
    await get("http://site.test:8080/", names, sent)
    assert str(sent.requests[0].url) == "http://[2606:4700::1111]:8080/"
    assert sent.requests[0].headers["host"] == "site.test:8080"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://[::1]:9300/v1/agents",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://100.64.0.1/",
        "http://0.0.0.0/",
        "http://224.0.0.1/",
        "http://inside.test/",
        "http://mixed.test/",
    ],
)
async def test_address_off_the_public_internet_is_never_connected_to(url):
    names = Names(inside_test=["10.0.0.1"], mixed_test=[PUBLIC, "192.168.0.1"])
    sent = Sent()
    with pytest.raises(ToolError, match="not on the public internet"):
        await get(url, names, sent)
    assert sent.requests == []


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1/",
        "//[::1]/",
        "http://inside.test/",
        "http://mixed.test/",
        "https://169.254.169.254/",
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_off_the_public_internet_is_refused(location, status):
    names = Names(site_test=[PUBLIC], inside_test=["10.0.0.1"], mixed_test=[PUBLIC, "fd00::1"])
    sent = Sent(site_test=redirect(location, status))
    with pytest.raises(ToolError, match="not on the public internet"):
        await get("http://site.test/", names, sent)
    assert len(sent.requests) == 1


async def test_host_that_turns_private_between_redirects_is_refused():
    names = Names(site_test=[[PUBLIC], ["127.0.0.1"]])
    sent = Sent(site_test=redirect("/again"))
    with pytest.raises(ToolError, match="not on the public internet"):
        await get("http://site.test/", names, sent)
    assert len(sent.requests) == 1


async def test_redirect_is_followed_and_the_last_address_is_told():
    names = Names(a_test=[PUBLIC], b_test=["1.1.1.1"])
    sent = Sent(a_test=redirect("https://b.test/x"), b_test=page(b"gone", 404))
    answer = await get("http://a.test/", names, sent)
    assert (answer.url, answer.status_code) == ("https://b.test/x", 404)


async def test_redirects_have_an_end():
    names, sent = Names(a_test=[PUBLIC]), Sent(a_test=redirect("/"))
    with pytest.raises(ToolError, match="more than 5 redirects"):
        await get("http://a.test/", names, sent)
    assert len(sent.requests) == 6


async def test_cookies_of_one_answer_do_not_travel_to_the_next():
    names = Names(a_test=[PUBLIC])
    first = httpx2.Response(302, headers={"Location": "/", "Set-Cookie": "id=1"})
    sent = Sent(a_test=first)
    with pytest.raises(ToolError):
        await get("http://a.test/", names, sent)
    assert all("cookie" not in request.headers for request in sent.requests)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://site.test/", "must start with http:// or https://"),
        ("file:///etc/passwd", "must start with http:// or https://"),
        ("site.test", "must start with http:// or https://"),
        ("http://", "must start with http:// or https://"),
        ("http://me:pw@site.test/", "user name or password"),
        ("http://me@site.test/", "user name or password"),
        ("http://site.test:99999/", "no such port"),
        ("http://[::1", "cannot be read"),
        ("http://site.test/\x00", "cannot be read"),
        ("http://site.test/" + "a" * 10_000, "longer than"),
    ],
)
async def test_url_that_is_no_plain_web_address_is_refused(url, words):
    sent = Sent()
    with pytest.raises(ToolError, match=words):
        await get(url, Names(), sent)
    assert sent.requests == []


@pytest.mark.parametrize("location", ["ftp://x.test/", "http://me:pw@x.test/", "file:///etc"])
async def test_redirect_to_what_is_no_plain_web_address_is_refused(location):
    names, sent = Names(site_test=[PUBLIC]), Sent(site_test=redirect(location))
    with pytest.raises(ToolError, match="Invalid URL"):
        await get("http://site.test/", names, sent)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler):
    """Run a real server on loopback; yields its address."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def answering(body: bytes, *headers: str, status: str = "200 OK") -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = "\r\n".join([f"HTTP/1.1 {status}", *headers, "Connection: close", "", ""])
        writer.write(head.encode() + body)
        await writer.drain()

    return handler


async def fetch_local(url: str, **options):
    options = {"method": "GET", "max_bytes": 1000, "allow_private": True, **options}
    return await fetch(url, **options)


async def test_real_server_is_read_where_private_addresses_are_allowed():
    async with serving(answering(b"hello", "Content-Length: 5")) as address:
        answer = await fetch_local(address)
    assert answer.body == b"hello"
    assert not answer.is_cut


async def test_real_server_on_loopback_is_refused_by_default():
    async with serving(answering(b"secret")) as address:
        with pytest.raises(ToolError, match="not on the public internet"):
            await fetch_local(address, allow_private=False)


async def test_second_address_is_tried_where_the_first_takes_no_connection():
    async with serving(answering(b"hello")) as address:
        port = address.rpartition(":")[2]
        names = Names(site_test=["127.0.0.2", "127.0.0.1"])
        answer = await fetch_local(f"http://site.test:{port}/", resolver=names)
    assert answer.body == b"hello"


async def test_server_that_is_not_there_is_an_error():
    async with serving(answering(b"")) as address:
        pass
    with pytest.raises(ToolError, match="Failed to connect to server"):
        await fetch_local(address)


async def test_server_that_speaks_no_http_is_an_error():
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 smtp ready\r\n")

    async with serving(handler) as address:
        with pytest.raises(ToolError, match="Request failed: RemoteProtocolError"):
            await fetch_local(address)


async def test_body_over_the_limit_is_cut():
    async with serving(answering(b"x" * 5000)) as address:
        answer = await fetch_local(address)
    assert answer.body == b"x" * 1000
    assert answer.is_cut


async def test_compressed_body_is_read():
    async with serving(answering(gzip.compress(b"hello"), "Content-Encoding: gzip")) as address:
        assert (await fetch_local(address)).body == b"hello"


async def test_compressed_bomb_is_never_unpacked_beyond_the_limit():
    bomb = gzip.compress(b"\0" * 500_000)
    assert len(bomb) < 1000
    async with serving(answering(bomb, "Content-Encoding: gzip")) as address:
        answer = await fetch_local(address)
    assert len(answer.body) == 1000
    assert answer.is_cut


@pytest.mark.parametrize("encoding", ["br", "gzip"])
async def test_body_in_an_encoding_that_cannot_be_undone_is_an_error(encoding):
    async with serving(answering(b"junk", f"Content-Encoding: {encoding}")) as address:
        with pytest.raises(ToolError, match="Request failed"):
            await fetch_local(address)


async def test_head_reads_no_body():
    async with serving(answering(b"", "Content-Length: 12345")) as address:
        answer = await fetch_local(address, method="HEAD")
    assert answer.headers["content-length"] == "12345"
    assert answer.body == b""


async def test_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(web, "FIRST_BYTE_TIMEOUT_S", 0.05)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(silent) as address:
        with pytest.raises(ToolError, match="did not answer in time"):
            await fetch_local(address)


async def test_what_came_before_the_body_stalled_is_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(web, "BODY_TIMEOUT_S", 0.2)

    async def stalling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin")
        await writer.drain()
        await reader.read()

    async with serving(stalling) as address:
        answer = await fetch_local(address)
    assert answer.body == b"begin"
    assert answer.timed_out
