"""Images that a provider refuses are left out beforehand, with the reason in their place."""

from collections.abc import Callable

import pytest

from everruns.domain.messages import ImagePart, Message, TextPart
from everruns.providers.image_limits import ANTHROPIC, ANYWHERE, ImageLimits, with_fitting_images
from tests.odd_images import IMAGES, image, png

Say = Callable[..., Message]


def sent(limits: ImageLimits, *messages: Message) -> list[ImagePart | str]:
    """What stands in the places of the images."""
    return [
        part.text if isinstance(part, TextPart) else part
        for message in with_fitting_images(messages, limits)
        for part in message.content
    ]


@pytest.mark.parametrize("name", ["PNG as JPEG", "PNG as SVG"])
def test_an_image_goes_under_the_type_that_its_bytes_have(say: Say, name: str):
    assert sent(ANYWHERE, say("user", IMAGES[name])) == [IMAGES["a PNG"]]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("an SVG", "image/svg+xml is not a type"),
        ("an SVG as PNG", "not that of an image/png"),
        ("base64 that ends nowhere", "not that of an image/png"),
        ("no pixels", "no pixels"),
        ("9000 pixels", "9000 pixels long, and at most 8000"),
        ("5 MB", "bytes, and at most 5242880"),
    ],
)
def test_the_note_says_why_an_image_is_not_there(say: Say, name: str, reason: str):
    (note,) = sent(ANTHROPIC, say("user", IMAGES[name]))

    assert isinstance(note, str)
    assert reason in note


def test_of_too_many_images_the_newest_go(say: Say):
    images = [image(png(1, height)) for height in range(1, 4)]

    first, *others = sent(ImageLimits(count=2), *(say("user", one) for one in images))

    assert "too many newer ones" in str(first)
    assert others == images[1:]


def test_of_too_many_bytes_the_newest_go(say: Say):
    one, limit = IMAGES["a PNG"], ImageLimits(total=2 * len(IMAGES["a PNG"].base64 or "") + 1)

    first, *others = sent(limit, say("user", one, one, one))

    assert "too many newer ones" in str(first)
    assert others == [one, one]


def test_among_many_images_large_ones_are_left_out(say: Say):
    small, large = IMAGES["a PNG"], IMAGES["2500 pixels"]

    first, *others = sent(ANTHROPIC, say("user", large), say("user", *[small] * 20))

    assert "among 21 images it may be at most 2000 pixels long" in str(first)
    assert others == [small] * 20


def test_a_large_image_that_was_just_sent_makes_room_for_itself(say: Say):
    small, large = IMAGES["a PNG"], IMAGES["2500 pixels"]

    first, *others = sent(ANTHROPIC, say("user", *[small] * 20), say("user", large))

    assert "too many newer ones" in str(first)
    assert others == [*[small] * 19, large]


def test_images_by_address_are_not_judged(say: Say):
    assert sent(ANTHROPIC, say("user", IMAGES["by address"])) == [IMAGES["by address"]]
