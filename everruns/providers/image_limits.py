"""The images that a provider takes, and what stands in the place of the others.

An image that a provider refuses would be refused with every later request of its session. What can
be known beforehand is decided here, anew for each request: another provider may take the image.
What can be made to fit has been before (``everruns.providers.scaled_images``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from everruns.domain.base import MIB
from everruns.domain.images import GIF, JPEG, PNG, READABLE, WEBP, true_image
from everruns.domain.messages import ImagePart, Message, TextPart

NOTE = "(An image was here that you cannot see: {}.)"


@dataclass(frozen=True)
class ImageLimits:
    """What a provider takes.

    Attributes:
        types: Media types.
        side: Most pixels of a side; ``None`` for no limit.
        many: With more images than this, ``side_of_many`` is the limit of each.
        side_of_many: Most pixels of a side then.
        count: Most images of a request.
        size: Most characters of base64 of one image.
        total: Most characters of base64 of all images of a request.
    """

    types: frozenset[str] = READABLE
    side: int | None = None
    many: int | None = None
    side_of_many: int = 0
    count: int | None = None
    size: int | None = None
    total: int | None = None


# The sources are in docs/providers.md, "Images". A part of each total is left to the text.
ANYWHERE = ImageLimits()
OPENAI = ImageLimits(count=500, total=40 * MIB)
ANTHROPIC = ImageLimits(
    side=8000, many=20, side_of_many=2000, count=100, size=5 * MIB, total=24 * MIB
)
BEDROCK = ImageLimits(side=8000, many=20, side_of_many=2000, count=20, size=5 * MIB, total=16 * MIB)
GEMINI = ImageLimits(types=frozenset({PNG, JPEG, WEBP, "image/heic", "image/heif"}), total=15 * MIB)
MISTRAL = ImageLimits(count=8, size=10 * MIB)
MOONSHOT = ImageLimits(total=80 * MIB)
GROQ = ImageLimits(count=5, total=3 * MIB)
FIREWORKS = ImageLimits(types=frozenset({PNG, JPEG, GIF}), count=30, total=10 * MIB)
WITHOUT_GIF = ImageLimits(types=frozenset({PNG, JPEG, WEBP}))
WITHOUT_WEBP = ImageLimits(types=frozenset({PNG, JPEG, GIF}))
PNG_AND_JPEG = ImageLimits(types=frozenset({PNG, JPEG}))


@dataclass
class _Place:
    """An image of the conversation, and what is sent in its place.

    Attributes:
        part: The image, under its real type.
        side: Pixels of its longer side; 0 if it is not known.
        reason: Why it is not sent; ``None`` if it is.
    """

    part: ImagePart
    side: int
    reason: str | None

    @property
    def size(self) -> int:
        return len(self.part.base64 or "")

    @property
    def sent(self) -> ImagePart | TextPart:
        return self.part if self.reason is None else TextPart(text=NOTE.format(self.reason))


def with_fitting_images(messages: Sequence[Message], limits: ImageLimits) -> Sequence[Message]:
    """Return messages with the images that a provider takes, under the types that they have.

    In the place of each other image stands a note that says why. Of too many images the newest
    remain.
    """
    places = [_look(image, limits) for said in messages for image in said.images]
    if not places:
        return messages
    _choose([place for place in places if place.reason is None], limits)
    following = iter(places)
    return [said.with_images(lambda _: next(following).sent) for said in messages]


def _look(part: ImagePart, limits: ImageLimits) -> _Place:
    """Judge an image by itself."""
    if part.base64 is None:
        return _Place(part, 0, None)
    if (found := true_image(part)) is None:
        return _Place(part, 0, f"its content is not that of an {part.media_type}")
    true, image = found
    side = max(image.width, image.height) if image else 0
    place = _Place(true, side, None)
    if true.media_type not in limits.types:
        place.reason = f"{true.media_type} is not a type that you can be shown"
    elif image is not None and min(image.width, image.height) == 0:
        place.reason = "it has no pixels"
    elif limits.side is not None and side > limits.side:
        place.reason = f"it is {side} pixels long, and at most {limits.side} can be shown"
    elif limits.size is not None and place.size > limits.size:
        place.reason = f"it has {place.size} bytes, and at most {limits.size} can be shown"
    return place


def _choose(places: Sequence[_Place], limits: ImageLimits) -> None:
    """Judge images that could be sent by themselves, oldest first, as parts of one request."""
    if limits.count is not None:
        _keep_newest(places, limits.count)
    if limits.total is not None:
        left = limits.total
        for at, place in enumerate(reversed(places)):
            left -= place.size
            if left < 0:
                _keep_newest(places, at)
                break
    kept = [place for place in places if place.reason is None]
    if limits.many is None or len(kept) <= limits.many:
        return
    if kept[-1].side > limits.side_of_many:
        _keep_newest(kept, limits.many)
        return
    for place in kept:
        if place.side > limits.side_of_many:
            place.reason = (
                f"among {len(kept)} images it may be at most {limits.side_of_many} pixels long"
            )


def _keep_newest(places: Sequence[_Place], count: int) -> None:
    for place in places[: max(0, len(places) - count)]:
        place.reason = place.reason or "there are too many newer ones"
