"""Turning HTML pages into Markdown or text, in a process of its own.

Pages are hostile until shown otherwise: a few hundred kilobytes of unclosed comments keep Python's
HTML parser busy for minutes, and a deep page exhausts the stack. So a page is converted by a child
process that has seconds to live and a bounded memory, and the sessions next to it do not notice.
"""

import atexit
from collections.abc import Iterator
from functools import cache
from typing import Literal

from everruns.tools.child_processes import (
    ChildFailed,
    ChildProcesses,
    ChildrenBusy,
    ChildTimedOut,
)

CONVERT_TIMEOUT_S = 10.0
CONVERSIONS = 2

PageFormat = Literal["markdown", "text"]


class PageError(Exception):
    """A page could not be converted in the time and memory there is."""


async def convert(html: bytes, charset: str | None, to: PageFormat) -> str:
    """Return what a page says.

    Args:
        html: The page.
        charset: Its encoding, if the server named one; else the page's own word counts.
        to: What to make of it.

    Raises:
        PageError: It took too long or too much memory, is nested too deeply, or too many other
            pages wait.
    """
    frames = [to.encode(), (charset or "").encode(), html]
    try:
        answer = await _children().run(convert_here, frames, CONVERT_TIMEOUT_S)
    except ChildTimedOut:
        raise PageError("The page takes too long to convert") from None
    except ChildFailed:
        raise PageError("The page is too large or too deeply nested to convert") from None
    except ChildrenBusy:
        raise PageError("Too many pages are being converted") from None
    return answer.decode("utf-8", "replace")


@cache
def _children() -> ChildProcesses:
    children = ChildProcesses(CONVERSIONS)
    atexit.register(children.close)
    return children


def convert_here(frames: Iterator[bytes]) -> bytes:
    """Convert a page in this process; see ``convert``.

    Args:
        frames: What to make of the page, its encoding or nothing, and the page.
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
