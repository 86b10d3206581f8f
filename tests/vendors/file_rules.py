"""Which files vendors refuse."""

import binascii
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

HEAD = "data:application/pdf;base64,"


def file_problems(file: dict[str, Any]) -> Iterator[str]:
    """Yield what OpenAI refuses of a file that comes with a request.

    Source: https://platform.openai.com/docs/guides/pdf-files.
    """
    if not file.get("filename"):
        yield "Missing required parameter: 'filename'."
    if not file["file_data"].startswith(HEAD):
        yield f"Invalid file data: expected a base64-encoded data URL, got {file['file_data'][:30]}"
    else:
        yield from pdf_problems("application/pdf", file["file_data"].removeprefix(HEAD))


def pdf_problems(media_type: str, data: str) -> Iterator[str]:
    """Yield why content is not that of a PDF."""
    try:
        content = b64decode(data, validate=True)
    except binascii.Error:
        content = b""
    if media_type != "application/pdf" or not content.startswith(b"%PDF-"):
        yield "The PDF specified was not valid."
