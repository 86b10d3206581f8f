"""Turning HTML pages into Markdown or text, in a process of its own.

Pages are hostile until shown otherwise: a few hundred kilobytes of unclosed comments keep Python's
HTML parser busy for minutes, and a deep page exhausts the stack. So a page is converted by a child
process that has seconds to live and a bounded memory, and the sessions next to it do not notice.
"""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

CONVERT_TIMEOUT_S = 10
MAX_MEMORY_BYTES = 1024 * 1024 * 1024

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
        PageError: It took too long or too much memory, or is nested too deeply.
    """
    return await asyncio.to_thread(_convert_in_child, html, charset, to)


def _convert_in_child(html: bytes, charset: str | None, to: PageFormat) -> str:
    try:
        child = subprocess.run(  # noqa: S603 - no shell, and the page comes by stdin
            # Without -P the folder of this file would come first in the search path.
            [sys.executable, "-P", str(Path(__file__)), to, charset or ""],
            input=html,
            capture_output=True,
            check=True,
            timeout=CONVERT_TIMEOUT_S,
            # Nothing else of the environment, which holds keys.
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    except subprocess.TimeoutExpired:
        raise PageError("The page takes too long to convert") from None
    except (subprocess.CalledProcessError, OSError):
        raise PageError("The page is too large or too deeply nested to convert") from None
    return child.stdout.decode("utf-8", "replace")


def _convert_here(html: bytes, charset: str | None, to: str) -> str:
    from bs4 import BeautifulSoup  # noqa: PLC0415
    from markdownify import MarkdownConverter  # noqa: PLC0415

    page = BeautifulSoup(html, "html.parser", from_encoding=charset)
    for element in page(["script", "style", "noscript", "template", "svg", "iframe"]):
        element.decompose()
    if to == "markdown":
        text = MarkdownConverter(heading_style="ATX").convert_soup(page)
    else:
        text = page.get_text("\n", strip=True)
    lines = (line.rstrip() for line in str(text).splitlines())
    return "\n".join(lines).strip()


def _main() -> None:
    import resource  # noqa: PLC0415

    resource.setrlimit(resource.RLIMIT_CPU, (CONVERT_TIMEOUT_S, CONVERT_TIMEOUT_S))
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    text = _convert_here(sys.stdin.buffer.read(), sys.argv[2] or None, sys.argv[1])
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))


if __name__ == "__main__":
    _main()
