"""Making images smaller, in a separate process.

Images may be hostile, as pages may (``everruns.tools.pages``): a small one can unpack to gigabytes,
and decoders have had their faults.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import BytesIO
from math import sqrt
from typing import TYPE_CHECKING

import orjson

from everruns.domain.images import JPEG, PNG, read_image, whole_base64
from everruns.domain.parts import ImagePart
from everruns.tools.child_processes import ChildFailed, ChildTimedOut, converters

if TYPE_CHECKING:
    from PIL.Image import Image

SCALE_TIMEOUT_S = 8.0
# Pillow refuses twice as many: 100 megapixels are some 400 MB.
MAX_PIXELS = 50_000_000
DECODED = ("PNG", "JPEG", "GIF", "WEBP")
QUALITY = 85
SHRINK = 0.75
# An image that does not fit with this many pixels a side has nothing left to see.
LEAST_SIDE = 64


class ScalingError(Exception):
    """An image cannot be made smaller: it is broken, takes too much memory, or does not fit."""


class ScalingTimedOut(Exception):
    """An image was not made smaller in time; on a machine with less to do it may be."""


@dataclass(frozen=True)
class Bounds:
    """What an image must not exceed.

    Attributes:
        side: Pixels of its longer side; ``None`` for no limit.
        size: Characters of base64; ``None`` for no limit.
    """

    side: int | None = None
    size: int | None = None


async def scaled_image(part: ImagePart, bounds: Bounds) -> ImagePart:
    """Return an image within bounds, as a PNG or JPEG.

    It is upright even if the original was turned by its metadata, which are dropped. Of several
    frames the first remains.

    Args:
        part: A PNG, JPEG, GIF or WebP, by its content.
        bounds: What it must not exceed.

    Raises:
        ScalingError: It cannot be decoded within the limit of memory, or does not fit.
        ScalingTimedOut: It took too long.
        ChildrenBusy: Too many images and documents are waiting.
    """
    content = b64decode(whole_base64(part.base64 or "") or "")
    try:
        frames = [orjson.dumps(asdict(bounds)), content]
        scaled = await converters().run(scale_image_here, frames, SCALE_TIMEOUT_S)
    except ChildTimedOut:
        raise ScalingTimedOut from None
    except ChildFailed as error:
        raise ScalingError(str(error)) from None
    encoded = b64encode(scaled).decode()
    if (image := read_image(encoded)) is None:
        raise ScalingError("it does not fit")
    return part.model_copy(update={"base64": encoded, "media_type": image.media_type})


def scale_image_here(frames: Iterator[bytes]) -> bytes:
    """Make an image smaller in this process; see ``scaled_image``.

    Args:
        frames: JSON, the fields of ``Bounds``; the image.

    Returns:
        The image; empty if it does not fit.
    """
    from PIL import Image, ImageOps  # noqa: PLC0415

    bounds = Bounds(**orjson.loads(next(frames)))
    content = next(frames)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    with Image.open(BytesIO(content), formats=DECODED) as opened:
        is_drawn = opened.format in {"PNG", "GIF"}
        side = min(max(opened.size), bounds.side or max(opened.size))
        if bounds.size is not None and _size(content) > bounds.size:
            side = min(side, int(max(opened.size) * sqrt(bounds.size / _size(content))))
        # A JPEG can be decoded at a fraction of its size, which saves most of the work.
        opened.draft(None, (side, side))
        image = _with_plain_pixels(ImageOps.exif_transpose(opened))
    while True:
        smaller = image.copy()
        smaller.thumbnail((side, side), Image.Resampling.LANCZOS)
        for encoded in _encodings(smaller, is_drawn):
            if bounds.size is None or _size(encoded) <= bounds.size:
                return encoded
        side = int(side * SHRINK)
        if side < LEAST_SIDE:
            return b""


def _size(content: bytes) -> int:
    """Return how many characters of base64 bytes are."""
    return -(-len(content) // 3) * 4


def _with_plain_pixels(image: "Image") -> "Image":
    """Return an image in colours that both formats have."""
    is_transparent = "A" in image.getbands() or "transparency" in image.info
    return image.convert("RGBA" if is_transparent else "RGB")


def _encodings(image: "Image", is_drawn: bool) -> Iterator[bytes]:
    """Encode an image, the better way first: without a loss if it was drawn or is transparent."""
    if is_drawn or image.mode == "RGBA":
        yield _encoded(image, PNG)
    if image.mode == "RGBA":
        from PIL import Image  # noqa: PLC0415

        paper = Image.new("RGB", image.size, "white")
        paper.paste(image, mask=image.getchannel("A"))
        image = paper
    yield _encoded(image, JPEG)


def _encoded(image: "Image", media_type: str) -> bytes:
    file = BytesIO()
    if media_type == PNG:
        image.save(file, "PNG", optimize=True)
    else:
        image.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
