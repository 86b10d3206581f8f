"""Converting HTML pages to Markdown or text, in a separate process.

Pages may be hostile: a few hundred kilobytes of unclosed comments keep Python's HTML parser busy
for minutes, and a deeply nested page exhausts the stack. So a child process with a time limit of
seconds and limited memory converts each page, and other sessions are not affected.
"""

from collections.abc import Iterator
from typing import Literal

from everruns.tools.child_processes import ChildFailed, ChildrenBusy, ChildTimedOut, converters

CONVERT_TIMEOUT_S = 10.0

PageFormat = Literal["markdown", "text"]


class PageError(Exception):
    """A page could not be converted within the limits on time and memory."""


async def convert(html: bytes, charset: str | None, to: PageFormat) -> str:
    """Return the content of a page.

    Args:
        html: The page.
        charset: Its encoding, if the server named one; otherwise the page's own declaration counts.
        to: The format to convert to.

    Raises:
        PageError: The conversion took too long or too much memory, the page is nested too deeply,
            or too many pages are waiting.
    """
    frames = [to.encode(), (charset or "").encode(), html]
    try:
        answer = await converters().run(convert_here, frames, CONVERT_TIMEOUT_S)
    except ChildTimedOut:
        raise PageError("The page takes too long to convert") from None
    except ChildFailed:
        raise PageError("The page is too large or too deeply nested to convert") from None
    except ChildrenBusy:
        raise PageError("Too many pages are being converted") from None
    return answer.decode("utf-8", "replace")


def convert_here(frames: Iterator[bytes]) -> bytes:
    """Convert a page in this process; see ``convert``.

    Args:
        frames: The target format, the page's encoding or nothing, and the page.
    """
    from bs4 import BeautifulSoup  # noqa: PLC0415
    from markdownify import MarkdownConverter  # noqa: PLC0415

    to, charset, html = frames
    page = BeautifulSoup(html, "html.parser", from_encoding=charset.decode() or None)
    for element in page(["script", "style", "noscript", "template", "svg", "iframe"]):
        element.decompose()
    if to == b"markdown":
        text = MarkdownConverter(heading_style="ATX").convert_soup(page)
    else:
        text = page.get_text("\n", strip=True)
    lines = (line.rstrip() for line in str(text).splitlines())
    return "\n".join(lines).strip().encode("utf-8", "replace")
