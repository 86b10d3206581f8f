"""Parts of what is said to a model: text, images, JSON and files.

Source: docs/contract.md, "Resources", Message.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from everruns.domain.base import MIB, Model
from everruns.domain.forms import BASE64, HTTP_URL, IMAGE_TYPE

MAX_IMAGES_BYTES = 8 * MIB
MAX_OUTPUT_PARTS = 100
MAX_OUTPUT_IMAGES = 20


class TextPart(Model):
    """Plain text or Markdown."""

    type: Literal["text"] = "text"
    text: str


class ImagePart(Model):
    """An image, by URL or by content: exactly one of ``url`` and ``base64`` is set."""

    type: Literal["image"] = "image"
    url: Annotated[str, Field(max_length=4096, pattern=HTTP_URL)] | None = None
    base64: Annotated[str, Field(max_length=MAX_IMAGES_BYTES, pattern=BASE64)] | None = None
    media_type: Annotated[str, Field(pattern=IMAGE_TYPE)] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "ImagePart":
        if (self.url is None) == (self.base64 is None):
            raise ValueError("an image needs either url or base64")
        if self.base64 is not None and self.media_type is None:
            raise ValueError("an image given as base64 needs its media_type")
        return self


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


OutputPart = Annotated[TextPart | ImagePart | JsonPart | FilePart, Field(discriminator="type")]


class ToolOutput(Model):
    """What a tool returns if it is more than one JSON value."""

    parts: list[OutputPart]


def outcome(result: Any, error: str | None, parts: Sequence[OutputPart] | None) -> dict[str, Any]:
    """Return the fields of a tool's result on the wire: ``error``, ``parts`` or ``result``."""
    if error is not None:
        return {"error": error}
    if parts is not None:
        return {"parts": [part.wire() for part in parts]}
    return {"result": result}
