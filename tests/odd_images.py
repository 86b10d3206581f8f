"""Images as people and tools send them: good ones, and those that providers refuse."""

import struct
import zlib
from base64 import b64encode
from io import BytesIO

from everruns.domain.messages import ImagePart


def png(width: int = 1, height: int = 1, size: int = 0) -> bytes:
    """Return a PNG of these pixels, padded to at least this many bytes."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"tEXt", b"a" * size), (b"IDAT", zlib.compress(b"\0\0"))]
    file = BytesIO()
    file.write(b"\x89PNG\r\n\x1a\n")
    for kind, content in [*chunks, (b"IEND", b"")]:
        file.write(struct.pack(">I", len(content)) + kind + content)
        file.write(struct.pack(">I", zlib.crc32(kind + content)))
    return file.getvalue()


def jpeg(width: int = 1, height: int = 1, profile: int = 0) -> bytes:
    """Return the beginning of a JPEG, with profiles of this many bytes before its size."""
    segments = b"".join(
        b"\xff\xe2" + struct.pack(">H", 2 + len(piece)) + piece
        for piece in [b"p" * min(60_000, profile - at) for at in range(0, profile, 60_000)]
    )
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"
    return b"\xff\xd8" + segments + frame + b"\xff\xd9"


def gif(width: int = 1, height: int = 1) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + b"\x3b"


def webp(kind: bytes = b"VP8X", width: int = 1, height: int = 1) -> bytes:
    """Return the beginning of a WebP in one of its three forms."""
    match kind:
        case b"VP8X":
            head = b"\0" * 4 + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
        case b"VP8L":
            head = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14)
        case _:
            head = b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height)
    chunk = kind + struct.pack("<I", len(head)) + head + b"\0" * 16
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def image(content: bytes, media_type: str = "image/png") -> ImagePart:
    return ImagePart(base64=b64encode(content).decode(), media_type=media_type)


PIXEL = b64encode(png()).decode()
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'

IMAGES: dict[str, ImagePart] = {
    "a PNG": image(png()),
    "a JPEG": image(jpeg(640, 480, profile=130_000), "image/jpeg"),
    "a GIF": image(gif(), "image/gif"),
    "a WebP": image(webp(), "image/webp"),
    "a lossless WebP": image(webp(b"VP8L", 30, 20), "image/webp"),
    "a plain WebP": image(webp(b"VP8 ", 30, 20), "image/webp"),
    "PNG as JPEG": image(png(), "image/jpeg"),
    "JPEG as PNG": image(jpeg()),
    "PNG as SVG": image(png(), "image/svg+xml"),
    "an SVG": image(SVG, "image/svg+xml"),
    "an SVG as PNG": image(SVG),
    "a TIFF": image(b"II*\0" + b"\0" * 20, "image/tiff"),
    "HEIC": image(b"\0\0\0\x18ftypheic" + b"\0" * 20, "image/heic"),
    "one byte": image(b"\0"),
    "the signature alone": image(b"\x89PNG\r\n\x1a\n"),
    "no pixels": image(png(0, 0)),
    "a JPEG cut before its size": image(jpeg(profile=100)[:50], "image/jpeg"),
    "WebP of nothing": image(b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
    "9000 pixels": image(png(9000, 10)),
    "2500 pixels": image(png(10, 2500)),
    "5 MB": image(png(size=5 * 1024 * 1024)),
    "3 MB": image(png(size=3 * 1024 * 1024)),
    "no padding": ImagePart(base64=b64encode(png()).decode().rstrip("="), media_type="image/png"),
    "base64 that ends nowhere": ImagePart(base64="iVBORw0KG", media_type="image/png"),
    "by address": ImagePart(url="https://example.org/a.png"),
    "without TLS": ImagePart(url="http://example.org/a.png"),
}
