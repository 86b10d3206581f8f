"""The files of messages, as a provider takes them: PDFs as they are, or as their text.

Text files are text for every model. What a provider is sent of PDFs is decided again for each
request, as with images (``everruns.providers.image_limits``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from everruns.domain.base import MIB
from everruns.domain.images import whole_base64
from everruns.domain.messages import Message
from everruns.domain.parts import PDF, AttachedFilePart, TextPart
from everruns.domain.transcript import leave_out_images
from everruns.providers.base import ModelRequest
from everruns.providers.image_limits import ImageLimits, with_fitting_images

# The beginning of every PDF, as base64.
PDF_START = "JVBERi"


@dataclass(frozen=True)
class FileLimits:
    """The PDFs that a provider takes.

    Attributes:
        pages: Most pages of all PDFs of a request; 0 if it takes none.
        total: Most characters of base64 of all PDFs of a request.
    """

    pages: int = 0
    total: int = 0


# The sources are in docs/providers.md, "Files".
NO_FILES = FileLimits()
ANTHROPIC_FILES = FileLimits(pages=100, total=12 * MIB)
OPENAI_FILES = FileLimits(pages=100, total=20 * MIB)


def sent_messages(
    request: ModelRequest, images: ImageLimits, files: FileLimits = NO_FILES
) -> Sequence[Message]:
    """Return a request's messages with the images and PDFs that its provider takes.

    A model that sees no images is told of those in results, and reads PDFs as text. Images in
    messages of the user go all the same: the provider's answer says why not.
    """
    messages = request.messages
    if not request.sees_images:
        files = NO_FILES
        messages = [
            leave_out_images(message) if message.role == "tool_result" else message
            for message in messages
        ]
    messages, used = _with_fitting_files(messages, files)
    if used and images.total is not None:
        images = replace(images, total=max(images.total - used, 0))
    return with_fitting_images(messages, images)


def _with_fitting_files(
    messages: Sequence[Message], limits: FileLimits
) -> tuple[Sequence[Message], int]:
    """Return messages in which the newest PDFs remain and other files are text.

    Returns:
        The messages, and the characters of base64 of the PDFs that remain.
    """
    pages, left = limits.pages, limits.total
    fitting: list[Message] = []
    for message in reversed(messages):
        if not any(isinstance(part, AttachedFilePart) for part in message.content):
            fitting.append(message)
            continue
        content = list(message.content)
        for place, part in reversed(list(enumerate(content))):
            if not isinstance(part, AttachedFilePart):
                continue
            encoded = _pdf_of(part)
            if encoded and 0 < part.pages <= pages and len(encoded) <= left:
                pages -= part.pages
                left -= len(encoded)
                content[place] = part.model_copy(update={"base64": encoded, "media_type": PDF})
            else:
                content[place] = TextPart(text=file_text(part))
        fitting.append(message.model_copy(update={"content": content}))
    return fitting[::-1], limits.total - left


def _pdf_of(part: AttachedFilePart) -> str | None:
    """Return a PDF as base64; an import may hold anything in its place."""
    encoded = part.base64
    return whole_base64(encoded) if encoded and encoded.startswith(PDF_START) else None


def file_text(part: AttachedFilePart) -> str:
    """Return a file as the text that a model reads."""
    name = part.path or part.filename
    if part.text.strip():
        return f"The file {name}:\n<file>\n{part.text}\n</file>"
    if part.media_type == PDF:
        return f"(The PDF {name} was here. No text could be read from it: its pages are images.)"
    return f"(The file {name} was here. It is empty.)"
