"""Parts of what is said to a model: text, images, JSON and files.

Source: docs/contract.md, "Resources", Message.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from everruns.domain.base import MIB, Model
from everruns.domain.forms import BASE64, FILE_NAME, HTTP_URL, IMAGE_TYPE, MEDIA_TYPE

MAX_IMAGES_BYTES = 8 * MIB
MAX_NAME_LENGTH = 255
MAX_OUTPUT_PARTS = 100
MAX_OUTPUT_IMAGES = 20


# The types of files that models are shown.
PDF = "application/pdf"
MAX_PAGES = 1_000_000
TEXT = "text/plain"

Base64 = Annotated[str, Field(max_length=MAX_IMAGES_BYTES, pattern=BASE64)]
WorkspacePath = Annotated[str, Field(min_length=1, max_length=4096)]
FileName = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH, pattern=FILE_NAME)]


class TextPart(Model):
    """Plain text or Markdown."""

    type: Literal["text"] = "text"
    text: str


class _Image(Model):
    type: Literal["image"] = "image"
    url: Annotated[str, Field(max_length=4096, pattern=HTTP_URL)] | None = None
    base64: Base64 | None = None
    media_type: Annotated[str, Field(pattern=IMAGE_TYPE)] | None = None
    path: WorkspacePath | None = None


class ImagePart(_Image):
    """An image, by URL or by content: exactly one of ``url`` and ``base64`` is set.

    ``path`` is the file of the workspace from which its content was read, if it was.
    """

    @model_validator(mode="after")
    def _one_source(self) -> "ImagePart":
        if (self.url is None) == (self.base64 is None):
            raise ValueError("an image needs either url or base64")
        if self.base64 is not None and self.media_type is None:
            raise ValueError("an image given as base64 needs its media_type")
        return self


class ImageToAttach(_Image):
    """An image as it is sent: by URL, by content, or by its path in the session's workspace."""

    @model_validator(mode="after")
    def _one_source(self) -> "ImageToAttach":
        if sum(source is not None for source in (self.url, self.base64, self.path)) != 1:
            raise ValueError("an image needs either url, base64 or path")
        if self.base64 is not None and self.media_type is None:
            raise ValueError("an image given as base64 needs its media_type")
        return self


class FileToAttach(Model):
    """A file as it is sent: by its path in the session's workspace, or by content."""

    type: Literal["file"] = "file"
    path: WorkspacePath | None = None
    base64: Base64 | None = None
    media_type: Annotated[str, Field(max_length=255, pattern=MEDIA_TYPE)] | None = None
    filename: FileName | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "FileToAttach":
        if (self.path is None) == (self.base64 is None):
            raise ValueError("a file needs either path or base64")
        if self.base64 is not None and self.media_type is None:
            raise ValueError("a file given as base64 needs its media_type")
        return self

    @property
    def text_type(self) -> str | None:
        """The type of text that it is said to be, if any."""
        is_text = self.media_type is not None and self.media_type.startswith("text/")
        return self.media_type if is_text else None


class AttachedFilePart(Model):
    """A file in a user's message, as it was when the message was sent.

    Attributes:
        path: Where it was in the session's workspace, if it was there.
        filename: Its name.
        media_type: What it is: a type of text, or ``application/pdf``.
        size_bytes: Its size.
        text: Its text; of a PDF, what could be read of it.
        base64: The content of a PDF.
        pages: How many pages a PDF has; 0 for text.
    """

    type: Literal["file"] = "file"
    path: WorkspacePath | None = None
    filename: FileName
    media_type: Annotated[str, Field(max_length=255, pattern=MEDIA_TYPE)]
    size_bytes: Annotated[int, Field(ge=0, le=2**40)]
    text: Annotated[str, Field(max_length=MIB)]
    base64: Base64 | None = None
    pages: Annotated[int, Field(ge=0, le=MAX_PAGES)] = 0


class JsonPart(Model):
    """A JSON value that a tool returned."""

    type: Literal["json"] = "json"
    value: Any = None


class FilePart(Model):
    """A file in the session's workspace that a tool has written."""

    type: Literal["file"] = "file"
    path: Annotated[str, Field(max_length=4096)]
    media_type: Annotated[str, Field(max_length=256)] | None = None
    size_bytes: int = 0


ResultPart = Annotated[TextPart | ImagePart | JsonPart | FilePart, Field(discriminator="type")]


class ToolOutput(Model):
    """What a tool returns if it is more than one JSON value."""

    parts: list[ResultPart]


def outcome(result: Any, error: str | None, parts: Sequence[ResultPart] | None) -> dict[str, Any]:
    """Return the fields of a tool's result on the wire: ``error``, ``parts`` or ``result``."""
    if error is not None:
        return {"error": error}
    if parts is not None:
        return {"parts": [part.wire() for part in parts]}
    return {"result": result}
