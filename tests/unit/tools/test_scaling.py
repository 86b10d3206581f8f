"""Images are made smaller without harm, however they are meant."""

from base64 import b64encode

import pytest
from PIL import Image
from PIL.Image import Exif

from everruns.domain.messages import ImagePart
from everruns.tools import scaling
from everruns.tools.scaling import Bounds, ScalingError, ScalingTimedOut, scaled_image
from tests.odd_images import IMAGES, image, png
from tests.pictures import opened, picture

ORIENTATION = 0x0112
TURNED_LEFT = 6


async def test_a_long_image_keeps_its_proportions():
    small = opened(await scaled_image(picture(400, 100), Bounds(side=80)))

    assert small.size == (80, 20)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG", "GIF"])
async def test_an_image_of_too_many_bytes_is_made_to_fit(kind: str):
    large = picture(600, 600, kind)
    assert len(large.base64 or "") > 40_000

    small = await scaled_image(large, Bounds(size=40_000))

    assert len(small.base64 or "") <= 40_000
    assert max(opened(small).size) > 64


async def test_a_drawing_stays_sharp_if_it_fits():
    assert (await scaled_image(picture(300, 20, "PNG"), Bounds(side=200))).media_type == "image/png"


async def test_a_transparent_image_stays_transparent_if_it_fits():
    clear = picture(300, 300, "PNG", "RGBA")

    assert opened(await scaled_image(clear, Bounds(side=200))).mode == "RGBA"


async def test_a_transparent_image_that_does_not_fit_is_put_on_white():
    clear = picture(300, 300, "WEBP", "RGBA", quality=10)

    on_white = opened(await scaled_image(clear, Bounds(200, len(clear.base64 or ""))))

    assert on_white.size == (200, 200)
    assert min(on_white.getpixel((2, 2))) > 240


async def test_a_photo_that_the_camera_turned_is_upright_and_keeps_no_metadata():
    exif = Exif()
    exif[ORIENTATION] = TURNED_LEFT
    turned = picture(200, 100, exif=exif)

    upright = opened(await scaled_image(turned, Bounds(side=50)))

    assert upright.size == (25, 50)
    assert not upright.getexif()


@pytest.mark.parametrize("mode", ["CMYK", "L"])
async def test_other_colours_become_plain_ones(mode: str):
    assert opened(await scaled_image(picture(200, 100, mode=mode), Bounds(side=50))).mode == "RGB"


async def test_of_a_moving_image_the_first_frame_remains():
    frames = [Image.new("RGB", (100, 100), colour) for colour in ("red", "blue")]
    moving = picture(100, 100, "GIF", save_all=True, append_images=frames)

    assert getattr(opened(await scaled_image(moving, Bounds(side=50))), "n_frames", 1) == 1


@pytest.mark.parametrize("name", ["9000 pixels", "an SVG as PNG", "a JPEG cut before its size"])
async def test_a_broken_image_is_not_made_smaller(name: str):
    with pytest.raises(ScalingError):
        await scaled_image(IMAGES[name], Bounds(side=50))


async def test_an_image_that_unpacks_to_gigabytes_is_not_unpacked():
    with pytest.raises(ScalingError, match="DecompressionBomb"):
        await scaled_image(image(png(60_000, 60_000)), Bounds(side=50))


async def test_an_image_that_cannot_fit_is_not_made_smaller():
    with pytest.raises(ScalingError, match="does not fit"):
        await scaled_image(picture(200, 200), Bounds(size=100))


async def test_other_formats_that_the_decoder_knows_are_not_opened():
    bitmap = ImagePart(base64=b64encode(b"BM" + b"\0" * 100).decode(), media_type="image/png")
    with pytest.raises(ScalingError, match="Unidentified"):
        await scaled_image(bitmap, Bounds(side=50))


async def test_an_image_that_keeps_the_decoder_busy_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scaling, "SCALE_TIMEOUT_S", 0.01)

    with pytest.raises(ScalingTimedOut):
        await scaled_image(picture(2000, 2000, "PNG"), Bounds(side=1000, size=1000))
