"""What a model is told of a tool's result at a server.

Types are read from bytes, never believed. What a model cannot take becomes a sentence that says
what is missing.

Source: docs/mcp.md, "Results".
"""

import json
from base64 import b64decode
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from everruns.domain.base import KIB, MAX_DEPTH, MIB
from everruns.domain.exact_json import is_deeper
from everruns.domain.images import READABLE, read_image, whole_base64
from everruns.domain.parts import ImagePart, JsonPart, ResultPart, TextPart, ToolOutput
from everruns.mcp.failures import said
from everruns.tools.base import ToolError
from everruns.tools.results import cut_text

if TYPE_CHECKING:
    from mcp_types import CallToolResult, ContentBlock

MAX_BLOCKS = 64
MAX_TEXT_BYTES = 64 * KIB
MAX_RESULT_IMAGES_BYTES = 4 * MIB


def told(result: "CallToolResult") -> Any:
    """Return a result as a JSON value, or as parts if it has more than one or an image.

    If structured content is repeated as text, only the structured content is returned.

    Raises:
        ToolError: The tool failed; the text is the server's.
    """
    if result.is_error:
        raise ToolError(_error_text(result.content))
    parts = _Parts()
    structured = result.structured_content
    has_structure = structured is not None and not is_deeper(structured, MAX_DEPTH)
    if has_structure:
        parts.add(JsonPart(value=structured))
    for block in result.content[:MAX_BLOCKS]:
        # Servers repeat structured content as text for clients that cannot read it.
        if not (has_structure and block.type == "text"):
            parts.add_block(block)
    if len(result.content) > MAX_BLOCKS:
        parts.note(f"{len(result.content) - MAX_BLOCKS} more blocks were left out")
    return parts.told()


class _Parts:
    """The parts of one result, within bounds."""

    def __init__(self) -> None:
        self._parts: list[ResultPart] = []
        self._text_left = MAX_TEXT_BYTES
        self._images_left = MAX_RESULT_IMAGES_BYTES

    def add(self, part: ResultPart) -> None:
        self._parts.append(part)

    def note(self, text: str) -> None:
        self.add(TextPart(text=f"[{text}.]"))

    def add_block(self, block: "ContentBlock") -> None:
        match block.type:
            case "text":
                self._add_text(block.text)
            case "image":
                self._add_image(block.data, block.mime_type)
            case "audio":
                self._add_binary("Audio", block.data, block.mime_type)
            case "resource_link":
                label = f"{block.name} ({block.mime_type})" if block.mime_type else block.name
                self._add_text(f"[Resource: {said(label)[:300]}, {said(block.uri)[:2000]}]")
            case "resource":
                self._add_resource(block.resource)

    def _add_resource(self, resource: Any) -> None:
        text: str | None = getattr(resource, "text", None)
        if text is not None:
            self._add_text(f"[Resource: {said(resource.uri)[:2000]}]\n{text}")
        elif (decoded := _as_text(resource.blob, resource.mime_type)) is not None:
            self._add_text(f"[Resource: {said(resource.uri)[:2000]}]\n{decoded}")
        elif read_image(resource.blob) is not None:
            self._add_image(resource.blob, resource.mime_type)
        else:
            self._add_binary(
                f"Resource {said(resource.uri)[:500]}", resource.blob, resource.mime_type
            )

    def _add_text(self, text: str) -> None:
        if not text:
            return
        if self._text_left < KIB:
            self.note("More text was left out, because the result is too long")
            self._text_left = 0
            return
        cut = cut_text(text, self._text_left)
        self._text_left -= len(json.dumps(cut, ensure_ascii=False).encode())
        self.add(TextPart(text=cut))

    def _add_image(self, data: str, claimed: str) -> None:
        image = read_image(data)
        whole = whole_base64(data)
        if image is None or whole is None or image.media_type not in READABLE:
            kind = said(claimed or "unknown")[:100]
            self.note(f"An image of type {kind} was left out: it is not PNG, JPEG, GIF or WebP")
        elif len(data) > self._images_left:
            self.note(f"An image of {_size(data)} bytes was left out, because it is too large")
        else:
            self._images_left -= len(data)
            self.add(ImagePart(base64=whole, media_type=image.media_type))

    def _add_binary(self, what: str, data: str, claimed: str | None) -> None:
        self.note(
            f"{what} of type {said(claimed or 'unknown')[:100]} and {_size(data)} bytes was "
            "left out: it cannot be shown"
        )

    def told(self) -> Any:
        match self._parts:
            case []:
                return ""
            case [TextPart(text=text)]:
                return text
            case [JsonPart(value=value)]:
                return value
            case _:
                return ToolOutput(parts=self._parts)


def _size(data: str) -> int:
    return len(data.rstrip("=")) * 3 // 4


def _as_text(blob: str, claimed: str | None) -> str | None:
    """Return a resource that was sent as bytes as text; ``None`` if it is not text."""
    if not (claimed or "").startswith("text/") or len(blob) > 2 * MAX_TEXT_BYTES:
        return None
    try:
        return b64decode(blob, validate=True).decode()
    except ValueError:
        return None


def _error_text(content: "Sequence[ContentBlock]") -> str:
    texts = [block.text for block in content[:MAX_BLOCKS] if block.type == "text"]
    return cut_text("\n".join(texts)) or "The tool failed and did not say why."
