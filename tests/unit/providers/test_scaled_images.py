"""Images that a provider would refuse for their size go as smaller ones."""

from base64 import b64decode

import pytest

from everruns.domain.messages import ImagePart, TextPart, ToolResultPart
from everruns.providers import scaled_images
from everruns.providers.anthropic import AnthropicDriver
from everruns.providers.image_limits import ANTHROPIC, ANYWHERE, PNG_AND_JPEG, ImageLimits
from everruns.providers.scaled_images import ScaledImages, with_scaled_images
from everruns.tools.scaling import Bounds
from tests.odd_images import IMAGES
from tests.pictures import opened, picture

SMALL = ImageLimits(side=50)
LONG = picture(100, 60)


@pytest.fixture
def sent(ask, say):
    """Return what is sent of images to a provider with these limits."""

    async def send(limits: ImageLimits, *images: ImagePart) -> list[ImagePart]:
        request = ask("claude-opus-5-5", *(say("user", image) for image in images))
        scaled = await with_scaled_images(request, limits)
        return [image for message in scaled.messages for image in message.images]

    return send


async def test_what_a_provider_takes_is_not_touched(ask, say):
    request = ask("claude-opus-5-5", say("user", LONG))

    assert await with_scaled_images(request, ANYWHERE) is request


async def test_a_long_image_goes_with_as_many_pixels_as_are_taken(sent):
    (small,) = await sent(SMALL, LONG)

    assert opened(small).size == (50, 30)


async def test_an_image_of_a_type_that_is_not_taken_goes_as_another(sent):
    (image,) = await sent(PNG_AND_JPEG, picture(kind="WEBP"))

    assert image.media_type in PNG_AND_JPEG.types
    assert opened(image).size == (40, 30)


async def test_images_get_smaller_when_there_are_many(sent):
    few, many = ImageLimits(side=90, many=2, side_of_many=50), [LONG, LONG, picture(20, 20)]

    assert [max(opened(one).size) for one in await sent(few, *many[:2])] == [90, 90]
    assert [max(opened(one).size) for one in await sent(few, *many)] == [50, 50, 20]


async def test_of_too_many_images_the_oldest_are_not_worked_on(sent):
    first, last = await sent(ImageLimits(side=50, count=1), LONG, LONG)

    assert first is LONG
    assert max(opened(last).size) == 50


async def test_an_image_within_a_result_stays_where_it_was(ask, say):
    result = ToolResultPart(tool_call_id="call_1", parts=[TextPart(text="See"), LONG])
    request = ask("claude-opus-5-5", say("tool_result", result))

    (message,) = (await with_scaled_images(request, SMALL)).messages

    (text, image) = message.content[0].parts
    assert text == TextPart(text="See")
    assert max(opened(image).size) == 50


async def test_a_broken_image_stays_as_it_is_and_others_do_not_suffer(sent):
    broken = IMAGES["9000 pixels"]

    first, second = await sent(SMALL, broken, LONG)

    assert first == broken
    assert max(opened(second).size) == 50


async def test_images_by_address_are_not_fetched(sent):
    there = ImagePart(url="https://x.test/a.png")

    assert await sent(SMALL, there) == [there]


async def test_a_model_that_sees_no_images_costs_no_work(ask, say, monkeypatch):
    request = ask("claude-opus-5-5", say("user", LONG))
    monkeypatch.setattr(type(request), "sees_images", False)

    assert await with_scaled_images(request, SMALL) is request


async def test_the_same_image_is_made_smaller_once(monkeypatch):
    kept = ScaledImages(10**6)
    (first,) = await kept.scaled([(LONG, Bounds(side=50))])

    monkeypatch.setattr(scaled_images, "scaled_image", None)

    assert await kept.scaled([(LONG, Bounds(side=50))]) == [first]


async def test_what_was_not_used_for_longest_is_given_up_for_new_ones():
    kept = ScaledImages(3_000)
    for side in range(10, 50):
        await kept.scaled([(LONG, Bounds(side=side))])

    assert kept.size_bytes <= 3_000


async def test_an_image_that_is_not_ready_in_time_stays_as_it_is_until_the_next_request(
    monkeypatch,
):
    kept, wanted = ScaledImages(10**6), [(LONG, Bounds(side=50))]
    with monkeypatch.context() as patched:
        patched.setattr(scaled_images, "TIMEOUT_S", 0)
        assert await kept.scaled(wanted) == [None]

    assert await kept.scaled(wanted) != [None]


async def test_an_image_that_took_too_long_stays_as_it_is_until_the_next_request(monkeypatch):
    kept, wanted = ScaledImages(10**6), [(LONG, Bounds(side=50))]
    with monkeypatch.context() as patched:
        patched.setattr("everruns.tools.scaling.SCALE_TIMEOUT_S", 0.0)
        assert await kept.scaled(wanted) == [None]

    assert await kept.scaled(wanted) != [None]


async def test_an_image_that_cannot_be_made_smaller_is_tried_once(monkeypatch):
    kept, wanted = ScaledImages(10**6), [(IMAGES["9000 pixels"], Bounds(side=50))]
    assert await kept.scaled(wanted) == [None]

    monkeypatch.setattr(scaled_images, "scaled_image", None)

    assert await kept.scaled(wanted) == [None]


async def test_a_photo_that_is_too_large_reaches_the_model(provider, ask, say, collect):
    provider.streams(
        {"type": "message_start", "message": {"model": "claude-x", "usage": {}}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}},
        {"type": "message_stop"},
    )
    photo = picture(8_200, 10, "PNG")

    await collect(AnthropicDriver(provider.wire()), ask("claude-opus-5-5", say("user", photo)))

    (block,) = provider.bodies[0]["messages"][0]["content"]
    assert block["type"] == "image"
    shown = ImagePart(base64=block["source"]["data"], media_type=block["source"]["media_type"])
    assert max(opened(shown).size) == ANTHROPIC.side
    assert b64decode(shown.base64 or "")
