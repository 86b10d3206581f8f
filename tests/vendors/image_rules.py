"""Which images vendors refuse.

What an image is, is read by ``imagesize`` and from its first bytes, not by the product's own code.
"""

import binascii
from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import imagesize
import orjson

Body = dict[str, Any]

MB = 1024 * 1024
USUAL = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"RIFF", "image/webp"),
)


@dataclass(frozen=True)
class Sent:
    """An image in a request: by its content, or by its address."""

    media_type: str | None
    data: str | None
    url: str | None

    @classmethod
    def at(cls, url: str) -> "Sent":
        """Return the image that an address leads to, or that it holds."""
        head, found, data = url.partition(";base64,")
        if found and head.startswith("data:"):
            return cls(head.removeprefix("data:"), data, None)
        return cls(None, None, url)


@dataclass(frozen=True)
class ImageRule:
    """What a vendor takes.

    Attributes:
        types: Media types.
        side: Most pixels of a side.
        many: More images than this have a limit of their own: ``side_of_many``.
        count: Most images of a request.
        size: Most characters of the base64 of one.
        total: Most bytes of a request.
    """

    types: frozenset[str] = USUAL
    side: int | None = None
    many: int | None = None
    side_of_many: int = 0
    count: int | None = None
    size: int | None = None
    total: int | None = None


# Source: https://platform.claude.com/docs/en/build-with-claude/vision.
ANTHROPIC = ImageRule(side=8000, many=20, side_of_many=2000, count=100, size=5 * MB, total=32 * MB)
# Source: https://platform.openai.com/docs/guides/images-vision.
OPENAI = ImageRule(count=500, total=50 * MB)


def image_problems(rule: ImageRule, images: Iterable[Sent], body: Body) -> Iterator[str]:
    """Yield what a vendor refuses of the images of a request."""
    sent = list(images)
    if rule.count is not None and len(sent) > rule.count:
        yield f"Too many images: {len(sent)}, at most {rule.count} are supported"
    is_many = rule.many is not None and len(sent) > rule.many
    side = rule.side_of_many if is_many else rule.side
    for image in sent:
        if image.data is not None:
            yield from _problems(rule, side, image.media_type or "", image.data)
    if sent and rule.total is not None and len(orjson.dumps(body)) > rule.total:
        yield "Request exceeds the maximum size"


def _problems(rule: ImageRule, side: int | None, media_type: str, data: str) -> Iterator[str]:
    try:
        content = b64decode(data, validate=True)
    except binascii.Error:
        yield "Invalid base64 data"
        return
    if media_type not in rule.types:
        yield f"Unsupported image type {media_type}"
        return
    if rule.size is not None and len(data) > rule.size:
        yield f"image exceeds {rule.size} bytes"
    if media_type not in USUAL:
        return
    kind = next((kind for start, kind in SIGNATURES if content.startswith(start)), None)
    if kind != media_type:
        yield f"Image does not match the provided media type {media_type}"
        return
    width, height = imagesize.get(BytesIO(content))
    if min(width, height) < 1:
        yield "Could not process image"
    if side is not None and max(width, height) > side:
        yield f"image dimensions exceed max allowed size: {side} pixels"
