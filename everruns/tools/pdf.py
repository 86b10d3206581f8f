"""Reading the text of PDFs, in a separate process.

PDFs may be hostile, as pages may (``everruns.tools.pages``): they can loop, and a small one
can unpack to gigabytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import orjson

from everruns.domain.base import KIB
from everruns.tools.child_processes import ChildFailed, ChildTimedOut, converters

READ_TIMEOUT_S = 8.0
MAX_PDF_TEXT_BYTES = 256 * KIB

_LOCKED = "is protected by a password. Remove it, and send the file again"


class PdfError(Exception):
    """A PDF could not be read. The message says why: ``is …`` or ``takes …``."""


@dataclass(frozen=True)
class Pdf:
    """What was read of a PDF.

    Attributes:
        pages: How many it has.
        text: Their text, at most ``MAX_PDF_TEXT_BYTES`` of UTF-8; empty for scanned pages.
    """

    pages: int
    text: str


async def read_pdf(content: bytes) -> Pdf:
    """Return the text of a PDF.

    Raises:
        PdfError: It is broken or protected by a password, or took too long or too much memory.
        ChildrenBusy: Too many documents are waiting.
    """
    try:
        answer = await converters().run(read_pdf_here, [content], READ_TIMEOUT_S)
    except ChildTimedOut:
        raise PdfError("takes too long to read") from None
    except ChildFailed:
        raise PdfError("is not a PDF that can be read") from None
    found = orjson.loads(answer)
    if found is None:
        raise PdfError(_LOCKED)
    return Pdf(**found)


def read_pdf_here(frames: Iterator[bytes]) -> bytes:
    """Read a PDF in this process; see ``read_pdf``.

    Args:
        frames: The PDF.

    Returns:
        JSON: the fields of a ``Pdf``, or null if a password protects it.
    """
    from pypdf import PdfReader  # noqa: PLC0415

    (content,) = frames
    reader = PdfReader(BytesIO(content))
    # Many are encrypted with an empty password, which only asks that they not be printed.
    if reader.is_encrypted and not reader.decrypt(""):
        return b"null"
    texts: list[str] = []
    left = MAX_PDF_TEXT_BYTES
    for page in reader.pages:
        text = page.extract_text().strip().encode("utf-8", "replace")[:left]
        texts.append(text.decode("utf-8", "ignore"))
        left -= len(text) + 2
        if left <= 0:
            break
    return orjson.dumps({"pages": len(reader.pages), "text": "\n\n".join(texts).strip()})
