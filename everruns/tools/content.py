"""The content of files as JSON can hold it: text, or bytes as base64."""

import base64
from typing import Literal

from everruns.tools.base import File, ToolError

Encoding = Literal["text", "base64"]


def decode_content(content: str, encoding: Encoding) -> bytes:
    """Return the bytes that a content stands for.

    Raises:
        ToolError: It is not what its encoding says.
    """
    try:
        if encoding == "base64":
            return base64.b64decode(content, validate=True)
        return content.encode()
    except ValueError:
        raise ToolError(f"The content is no valid {encoding}") from None


def encode_content(file: File) -> tuple[str, Encoding]:
    """Return a file's content and how it is encoded: as the file says, if that can be."""
    if file.encoding == "text":
        try:
            return file.content.decode(), "text"
        except UnicodeDecodeError:
            pass
    return base64.b64encode(file.content).decode("ascii"), "base64"
