"""Reading the web: pages as Markdown or text, and the metadata of resources."""

import re
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field

from everruns.capabilities.base import Capability
from everruns.domain.base import KIB, MIB
from everruns.tools.base import ToolContext, ToolError
from everruns.tools.function import tool
from everruns.tools.pages import PageError, convert
from everruns.tools.web import Fetched, fetch

MAX_CONTENT_BYTES = 256 * KIB
# Much of a page is markup that Markdown omits.
MAX_DOWNLOAD_BYTES = MIB

TIMED_OUT_NOTE = "\n[..more content timed out...]"
BINARY_ERROR = "Binary content is not supported. Use method HEAD to read its metadata."

_HTML_TYPES = {"text/html", "application/xhtml+xml"}
_TEXT_TYPE = re.compile(
    r"text/.*|application/(json|xml|javascript|ecmascript|yaml|x-yaml|toml|sql|graphql|ld\+json"
    r"|x-ndjson|x-www-form-urlencoded|x-sh)|.*\+(json|xml|yaml)"
)


def _explain(arguments: dict[str, Any]) -> str | None:
    if arguments.get("method", "GET") not in ("GET", "HEAD"):
        return "Invalid method: must be GET or HEAD"
    return None


@tool(repeatable=True, explain=_explain)
async def web_fetch(
    url: Annotated[str, Field(description="Address to fetch; starts with http:// or https://.")],
    context: ToolContext,
    method: Annotated[
        Literal["GET", "HEAD"] | None,
        Field(description="GET reads the content, HEAD its metadata alone. Default: GET."),
    ] = None,
    as_markdown: Annotated[
        bool | None, Field(description="Convert HTML to Markdown. Default: false.")
    ] = None,
    as_text: Annotated[
        bool | None, Field(description="Convert HTML to plain text. Default: false.")
    ] = None,
) -> dict[str, Any]:
    """Fetch a page or file from the web."""
    answer = await fetch(
        url,
        method=method or "GET",
        max_bytes=MAX_DOWNLOAD_BYTES,
        allow_private=context.allow_private_addresses,
    )
    if method == "HEAD":
        return {**_metadata(answer), "filename": _filename(answer), "method": "HEAD"}
    metadata = {name: value for name, value in _metadata(answer).items() if value is not None}
    metadata.setdefault("size", len(answer.body))
    if not _is_text(answer):
        return {**metadata, "error": BINARY_ERROR}
    wanted = "markdown" if as_markdown else "text" if as_text else "raw"
    content, made = await _content(answer, wanted)
    body = content.encode("utf-8", "replace")
    if answer.timed_out:
        content += TIMED_OUT_NOTE
    if len(body) > MAX_CONTENT_BYTES:
        content = body[:MAX_CONTENT_BYTES].decode("utf-8", "ignore")
    return {
        **metadata,
        "format": made,
        "content": content,
        "truncated": answer.is_cut or answer.timed_out or len(body) > MAX_CONTENT_BYTES,
    }


def _metadata(answer: Fetched) -> dict[str, Any]:
    length = answer.headers.get("content-length", "")
    return {
        "url": answer.url,
        "status_code": answer.status_code,
        "content_type": answer.headers.get("content-type"),
        "size": int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None,
        "last_modified": answer.headers.get("last-modified"),
    }


def _filename(answer: Fetched) -> str | None:
    """Return the file name that the server gives a resource, or the one in its URL."""
    disposition = answer.headers.get("content-disposition", "")
    if named := re.search(r'filename="?([^";]+)', disposition):
        return named[1].strip()
    return unquote(urlsplit(answer.url).path.rsplit("/", 1)[-1]) or None


def _media_type(answer: Fetched) -> str:
    return answer.headers.get("content-type", "").split(";")[0].strip().lower()


def _is_text(answer: Fetched) -> bool:
    media_type = _media_type(answer)
    if media_type:
        return _TEXT_TYPE.fullmatch(media_type) is not None
    return b"\0" not in answer.body[:KIB]


async def _content(
    answer: Fetched, wanted: Literal["markdown", "text", "raw"]
) -> tuple[str, Literal["markdown", "text", "raw"]]:
    """Return the content and its format; only HTML is converted."""
    if wanted != "raw" and _media_type(answer) in _HTML_TYPES:
        try:
            return await convert(answer.body, answer.charset, wanted), wanted
        except PageError as error:
            raise ToolError(f"{error}. Fetch it without as_markdown and as_text.") from None
    try:
        return answer.body.decode(answer.charset or "utf-8", "replace"), "raw"
    except LookupError:
        return answer.body.decode("utf-8", "replace"), "raw"


WEB_FETCH = Capability(
    id="web_fetch",
    name="Web Fetch",
    description="Lets the agent read pages and files from the public web.",
    icon="globe",
    category="Network",
    tools=[web_fetch],
)
