"""Real pictures, as cameras and screens make them."""

from base64 import b64decode, b64encode
from io import BytesIO
from random import Random
from typing import Any

from PIL import Image

from everruns.domain.images import read_image
from everruns.domain.messages import ImagePart


def picture(
    width: int = 40, height: int = 30, kind: str = "JPEG", mode: str = "RGB", **saved: Any
) -> ImagePart:
    """Return a picture of noise, which hardly compresses; the left half of it is dark."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    noise = Random(7).randbytes(width * height * bands)
    drawn = Image.frombytes(mode, (width, height), noise)
    drawn.paste(Image.new(mode, (width // 2, height)), (0, 0))
    file = BytesIO()
    drawn.save(file, kind, **saved)
    encoded = b64encode(file.getvalue()).decode()
    return ImagePart(base64=encoded, media_type=f"image/{kind.lower()}")


def opened(part: ImagePart) -> Image.Image:
    """Return the pixels of a part, which must be of the type that it says."""
    encoded = part.base64 or ""
    image = read_image(encoded)
    assert image is not None
    assert image.media_type == part.media_type
    return Image.open(BytesIO(b64decode(encoded)))
