"""What a tool returned, as the log can store it: bounded, as plain JSON, images as they really are.

Source: docs/contract.md, "Turns".
"""

from typing import Any, cast

import orjson
from pydantic import BaseModel

from everruns.domain.base import KIB
from everruns.domain.images import true_image
from everruns.domain.parts import (
    MAX_IMAGES_BYTES,
    MAX_OUTPUT_IMAGES,
    MAX_OUTPUT_PARTS,
    FilePart,
    ImagePart,
    JsonPart,
    ResultPart,
    TextPart,
    ToolOutput,
)
from everruns.domain.tools import ToolResult
from everruns.tools.base import ToolError

MAX_RESULT_BYTES = 64 * KIB
# Less of a part is not worth showing.
SMALLEST_CUT = KIB


def stored_result(call_id: str, returned: Any) -> ToolResult:
    """Return the result of a call as it is stored.

    Output of one text or JSON value is the same as that value.

    Args:
        call_id: The call.
        returned: What its tool returned: a ``ToolOutput`` or a JSON value.

    Raises:
        ToolError: It cannot be written as JSON.
    """
    match returned:
        case ToolOutput(parts=[TextPart(text=value)]) | ToolOutput(parts=[JsonPart(value=value)]):
            return ToolResult(tool_call_id=call_id, result=plain_json(value))
        case ToolOutput():
            return ToolResult(tool_call_id=call_id, parts=_Bounds().fit(returned.parts))
        case _:
            return ToolResult(tool_call_id=call_id, result=plain_json(returned))


class _Bounds:
    """What is left of the limits of one result, from its first part to its last."""

    def __init__(self) -> None:
        self._bytes = MAX_RESULT_BYTES
        self._images = MAX_OUTPUT_IMAGES
        self._image_bytes = MAX_IMAGES_BYTES

    def fit(self, parts: list[ResultPart]) -> list[ResultPart]:
        """Return the parts that fit, cut where necessary; a note stands for those that do not."""
        fitting: list[ResultPart] = []
        left_out = 0
        for part in parts:
            fits = self._fit(part) if len(fitting) < MAX_OUTPUT_PARTS else None
            if fits is None:
                left_out += 1
            else:
                fitting.append(fits)
        if left_out:
            fitting.append(TextPart(text=f"[Cut: {left_out} more parts were left out.]"))
        return fitting

    def _fit(self, part: ResultPart) -> ResultPart | None:
        if isinstance(part, ImagePart):
            return self._fit_image(part)
        if self._bytes < SMALLEST_CUT:
            return None
        match part:
            case TextPart():
                value = cut_text(part.text, self._bytes)
                fitting = TextPart(text=value)
            case JsonPart():
                value = plain_json(part.value, self._bytes)
                fitting = JsonPart(value=value)
            case FilePart():
                value = plain_json(part.wire())
                fitting = FilePart.model_validate(value)
        self._bytes -= len(orjson.dumps(value))
        return fitting

    def _fit_image(self, part: ImagePart) -> ResultPart:
        size = len(part.base64 or "")
        if not self._images or size > self._image_bytes:
            return TextPart(
                text="(An image was here that was left out: a result has at most "
                f"{MAX_OUTPUT_IMAGES} images, of {MAX_IMAGES_BYTES} bytes of base64 together.)"
            )
        found = (part, None) if part.url else true_image(part)
        if found is None:
            return TextPart(
                text=f"(An image was here that cannot be shown: its content is not that of an "
                f"{part.media_type}.)"
            )
        self._images -= 1
        self._image_bytes -= size
        return found[0]


def plain_json(value: Any, limit: int = MAX_RESULT_BYTES) -> Any:
    """Return a tool's result as JSON that the log can store, cut to at most ``limit`` bytes.

    Integers beyond 64 bits become floats or, if too large for those, text; invalid Unicode is
    repaired.

    Raises:
        ToolError: The value cannot be written as JSON.
    """
    try:
        try:
            body = orjson.dumps(value)
        except TypeError:
            body = orjson.dumps(_mended(value))
    except (TypeError, RecursionError):
        raise ToolError("The tool's answer is not a JSON value.") from None
    return orjson.loads(body) if len(body) <= limit else _cut(orjson.loads(body), body, limit)


def _mended(value: Any) -> Any:
    """Replace values that stored JSON cannot hold by their nearest equivalent."""
    match value:
        case dict():
            items = cast("dict[Any, Any]", value).items()
            return {_mended(str(key)): _mended(item) for key, item in items}
        case list() | tuple():
            return [_mended(item) for item in cast("list[Any]", value)]
        case str():
            return value.encode("utf-8", "replace").decode()
        case BaseModel():
            return _mended(value.model_dump(mode="json"))
        case int() if not -(2**63) <= value < 2**64:
            return float(value) if abs(value) < 2**1023 else f"about 2^{value.bit_length()}"
        case _:
            return value


def _cut(value: Any, body: bytes, limit: int) -> Any:
    """Shorten a result's longest text or, if that is not enough, the whole as text."""
    if isinstance(value, str):
        return cut_text(value, limit)
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        texts = {name: text for name, text in fields.items() if isinstance(text, str)}
        longest = max(texts, key=lambda name: len(texts[name]), default=None)
        if longest is not None:
            rest = len(body) - len(orjson.dumps(texts[longest]))
            if rest < limit // 2:
                return {**fields, longest: cut_text(texts[longest], limit - rest)}
    return cut_text(body.decode(), limit)


def cut_text(text: str, limit: int = MAX_RESULT_BYTES) -> str:
    """Shorten a text to at most ``limit`` bytes of JSON, with a note that it was cut."""
    text = text.encode("utf-8", "replace").decode()
    body = orjson.dumps(text)
    if len(body) <= limit:
        return text
    note = f"\n[Cut: the whole text has {len(text)} characters.]"
    end = limit - len(note) - 2
    while True:
        try:
            return orjson.loads(body[:end] + b'"') + note
        except orjson.JSONDecodeError:
            end -= 1  # The cut is in the middle of a character or an escape.
