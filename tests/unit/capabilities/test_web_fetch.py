"""The fetch tool: what the model is told of a page."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from everruns.capabilities import web_fetch as module
from everruns.tools import web

Serve = Callable[..., str]

HTML = b"<html><body><h1>Title</h1><p>Some <b>bold</b> words</p></body></html>"


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serve one answer to every request; returns the address."""
    answer: dict[str, bytes] = {}

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = b"" if head.startswith(b"HEAD") else answer["body"]
        writer.write(answer["head"] + body)
        await writer.drain()
        if answer["stalls"]:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def prepare(body: bytes, *headers: str, status: str = "200 OK", stalls: bool = False) -> str:
        length = len(body) + (10 if stalls else 0)
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {length}", *headers, "", ""]
        answer.update(head="\r\n".join(lines).encode(), body=body, stalls=b"yes" if stalls else b"")
        return address

    yield prepare
    server.close()


async def test_page_is_given_as_markdown(serve, answer):
    url = serve(HTML, "Content-Type: text/html; charset=utf-8", "Last-Modified: yesterday")
    assert await answer("web_fetch", url=f"{url}/page", as_markdown=True, as_text=True) == {
        "url": f"{url}/page",
        "status_code": 200,
        "content_type": "text/html; charset=utf-8",
        "size": len(HTML),
        "last_modified": "yesterday",
        "format": "markdown",
        "content": "# Title\n\nSome **bold** words",
        "truncated": False,
    }


async def test_page_is_given_as_text(serve, answer):
    result = await answer("web_fetch", url=serve(HTML, "Content-Type: text/html"), as_text=True)
    assert result["format"] == "text"
    assert result["content"] == "Title\nSome\nbold\nwords"


async def test_page_is_given_raw_by_default(serve, answer):
    result = await answer("web_fetch", url=serve(HTML, "Content-Type: text/html"))
    assert result["format"] == "raw"
    assert result["content"] == HTML.decode()
    assert "last_modified" not in result


@pytest.mark.parametrize("content_type", ["application/json", "text/markdown", "image/svg+xml"])
async def test_what_is_no_page_stays_as_it_is(serve, answer, content_type):
    url = serve(b'{"a": 1}', f"Content-Type: {content_type}")
    result = await answer("web_fetch", url=url, as_markdown=True)
    assert (result["format"], result["content"]) == ("raw", '{"a": 1}')


async def test_text_is_read_in_the_encoding_of_the_answer(serve, answer):
    url = serve("Grüße".encode("latin-1"), "Content-Type: text/plain; charset=iso-8859-1")
    assert (await answer("web_fetch", url=url))["content"] == "Grüße"


@pytest.mark.parametrize("headers", [["Content-Type: image/png"], []])
async def test_binary_content_is_told_not_given(serve, answer, headers):
    result = await answer("web_fetch", url=serve(b"\x89PNG\0\0", *headers))
    assert result["error"].startswith("Binary content is not supported.")
    assert result["size"] == 6
    assert "content" not in result


async def test_error_status_is_a_result_like_others(serve, answer):
    url = serve(b"no such page", "Content-Type: text/plain", status="404 Not Found")
    result = await answer("web_fetch", url=url)
    assert (result["status_code"], result["content"]) == (404, "no such page")


async def test_head_tells_metadata(serve, answer):
    url = serve(b"x" * 9, "Content-Type: application/pdf")
    assert await answer("web_fetch", url=f"{url}/a/report%20one.pdf", method="HEAD") == {
        "url": f"{url}/a/report%20one.pdf",
        "status_code": 200,
        "content_type": "application/pdf",
        "size": 9,
        "last_modified": None,
        "filename": "report one.pdf",
        "method": "HEAD",
    }


async def test_head_tells_the_name_that_the_server_gives(serve, answer):
    url = serve(b"", 'Content-Disposition: attachment; filename="x.csv"')
    assert (await answer("web_fetch", url=url, method="HEAD"))["filename"] == "x.csv"


async def test_long_content_is_cut(serve, answer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_CONTENT_BYTES", 10)
    result = await answer("web_fetch", url=serve(b"x" * 11, "Content-Type: text/plain"))
    assert result["content"] == "x" * 10
    assert result["truncated"] is True


async def test_content_that_stalls_is_given_as_far_as_it_came(
    serve, answer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(web, "BODY_TIMEOUT_S", 0.2)
    url = serve(b"begin", "Content-Type: text/plain", stalls=True)
    result = await answer("web_fetch", url=url)
    assert result["content"] == "begin\n[..more content timed out...]"
    assert result["truncated"] is True


async def test_page_that_cannot_be_converted_says_what_to_do(serve, refusal):
    url = serve(b"<div>" * 5000, "Content-Type: text/html")
    assert "Fetch it without as_markdown" in await refusal("web_fetch", url=url, as_markdown=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "Missing required parameter: url"),
        ({"url": "ftp://x.test"}, "Invalid URL: must start with http:// or https://"),
        ({"url": "http://x.test", "method": "POST"}, "Invalid method: must be GET or HEAD"),
        ({"url": "http://x.test", "method": []}, "Invalid method: must be GET or HEAD"),
        ({"url": "http://127.0.0.1:1/"}, "Failed to connect to server"),
    ],
)
async def test_errors(refusal, arguments, words):
    assert await refusal("web_fetch", **arguments) == words
