"""The content of files in JSON: text, images, or bytes as base64."""

import base64
from typing import Literal

from everruns.domain.files import File
from everruns.domain.images import read_image
from everruns.domain.parts import ImagePart
from everruns.tools.base import ToolError

Encoding = Literal["text", "base64"]


def decode_content(content: str, encoding: Encoding) -> bytes:
    """Decode a content to bytes.

    Raises:
        ToolError: It does not match its encoding.
    """
    try:
        if encoding == "base64":
            return base64.b64decode(content, validate=True)
        return content.encode()
    except ValueError:
        raise ToolError(f"The content is not valid {encoding}") from None


def image_of(file: File) -> ImagePart | None:
    """Return the image that a file is; ``None`` for other files."""
    encoded = base64.b64encode(file.content).decode("ascii")
    image = read_image(encoded)
    return ImagePart(base64=encoded, media_type=image.media_type, path=file.path) if image else None


def encode_content(file: File) -> tuple[str, Encoding]:
    """Return a file's content and its encoding, which is the file's own if possible."""
    if file.encoding == "text":
        try:
            return file.content.decode(), "text"
        except UnicodeDecodeError:
            pass
    return base64.b64encode(file.content).decode("ascii"), "base64"
