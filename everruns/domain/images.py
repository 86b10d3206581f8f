"""What an image really is: its type and size, read from its first bytes.

Clients, tools and imports may mislabel images. Only the bytes that identify type and size are
decoded, wherever they stand, so that looking at an image costs the same whatever its size.

Source: https://www.w3.org/TR/png-3/#11IHDR, https://www.w3.org/Graphics/GIF/spec-gif89a.txt,
https://www.w3.org/Graphics/JPEG/itu-t81.pdf (B.2), RFC 9649 (WebP).
"""

import binascii
from base64 import b64decode
from dataclasses import dataclass

from everruns.domain.parts import ImagePart

PNG, JPEG, GIF, WEBP = "image/png", "image/jpeg", "image/gif", "image/webp"
READABLE = frozenset({PNG, JPEG, GIF, WEBP})
"""The types that are told from their bytes."""

# Frames of a JPEG, which have its size: all of C0 to CF but tables and reserved ones.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
MAX_SEGMENTS = 1000


@dataclass(frozen=True)
class Image:
    """An image as its bytes show it.

    Attributes:
        media_type: One of ``READABLE``.
        width: In pixels.
        height: In pixels.
    """

    media_type: str
    width: int
    height: int


def whole_base64(text: str) -> str | None:
    """Return base64 with its padding; ``None`` if it ends within a byte."""
    digits = text.rstrip("=")
    return None if len(digits) % 4 == 1 else digits + "=" * (-len(digits) % 4)


def read_image(text: str) -> Image | None:
    """Return what an image is; ``None`` if it is of no known type, or cut off before its size.

    Args:
        text: The image, as base64.
    """
    content = _Bytes(text)
    try:
        return _read(content)
    except (_EndOfImage, binascii.Error):
        return None


def true_image(part: ImagePart) -> tuple[ImagePart, Image | None] | None:
    """Return an image under the type that its bytes have, with what can be told from them.

    Args:
        part: The image, by its content.

    Returns:
        ``None`` if the content is not that of an image of the type that it claims to be.
    """
    content = whole_base64(part.base64 or "")
    if not content:
        return None
    image = read_image(content)
    if image is None and part.media_type in READABLE:
        return None
    media_type = image.media_type if image else part.media_type
    return part.model_copy(update={"base64": content, "media_type": media_type}), image


class _EndOfImage(Exception):
    """The image ends before what was to be read."""


class _Bytes:
    """Bytes in base64, decoded where they are read."""

    def __init__(self, text: str) -> None:
        self._text = text

    def at(self, start: int, count: int) -> bytes:
        first, last = start // 3 * 4, -(-(start + count) // 3) * 4
        piece = whole_base64(self._text[first:last]) or ""
        found = b64decode(piece)[start % 3 : start % 3 + count]
        if len(found) < count:
            raise _EndOfImage
        return found

    def number(self, start: int, count: int) -> int:
        return int.from_bytes(self.at(start, count), "big")

    def little(self, start: int, count: int) -> int:
        return int.from_bytes(self.at(start, count), "little")


def _read(content: _Bytes) -> Image | None:
    start = content.at(0, 12)
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return Image(PNG, content.number(16, 4), content.number(20, 4))
    if start.startswith((b"GIF87a", b"GIF89a")):
        return Image(GIF, content.little(6, 2), content.little(8, 2))
    if start.startswith(b"\xff\xd8\xff"):
        return _read_jpeg(content)
    if start.startswith(b"RIFF") and start.endswith(b"WEBP"):
        return _read_webp(content)
    return None


def _read_jpeg(content: _Bytes) -> Image | None:
    place = 2
    for _ in range(MAX_SEGMENTS):
        marker, kind = content.at(place, 2)
        if marker != 0xFF:
            return None
        if kind == 0xFF:
            place += 1
        elif kind in _WITHOUT_LENGTH:
            place += 2
        elif kind in _FRAMES:
            return Image(JPEG, content.number(place + 7, 2), content.number(place + 5, 2))
        else:
            place += 2 + content.number(place + 2, 2)
    return None


def _read_webp(content: _Bytes) -> Image | None:
    match content.at(12, 4):
        case b"VP8X":
            return Image(WEBP, content.little(24, 3) + 1, content.little(27, 3) + 1)
        case b"VP8L":
            bits = content.little(21, 4)
            return Image(WEBP, (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        case b"VP8 ":
            return Image(WEBP, content.little(26, 2) & 0x3FFF, content.little(28, 2) & 0x3FFF)
        case _:
            return None
