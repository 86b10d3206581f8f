"""Images made smaller for a provider that does not take them as they are.

The log keeps each image as it was sent. What a provider takes is made anew by each process that
asks it, and kept there for the next requests of the conversation: the same image gives the same
bytes, so that a provider's cache of prompts holds.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from hashlib import blake2b

import structlog

from everruns.domain.base import MIB
from everruns.domain.images import READABLE, true_image
from everruns.domain.messages import ImagePart, Message
from everruns.log import error_kind
from everruns.providers.base import ModelRequest
from everruns.providers.image_limits import ImageLimits
from everruns.tools.child_processes import ChildrenBusy
from everruns.tools.scaling import Bounds, ScalingError, ScalingTimedOut, scaled_image

# Of all images of a request. Those that are not ready are left out of it.
TIMEOUT_S = 20.0
KEPT_BYTES = 64 * MIB
ENTRY_BYTES = 500

log = structlog.get_logger(__name__)


async def with_scaled_images(request: ModelRequest, limits: ImageLimits) -> ModelRequest:
    """Return a request in which images that its provider refuses are smaller, if that helps.

    Those that cannot be made smaller stay as they are.
    """
    if not request.sees_images:
        return request
    images = [image for message in request.messages for image in message.images]
    if not (needed := _needed(images, limits)):
        return request
    made = await _kept().scaled([(images[at], bounds) for at, bounds in needed.items()])
    places = dict(zip(needed, made, strict=True))
    following = iter(range(len(images)))

    def sent(image: ImagePart) -> ImagePart:
        return places.get(next(following)) or image

    messages: list[Message] = [message.with_images(sent) for message in request.messages]
    return replace(request, messages=messages)


def _needed(images: Sequence[ImagePart], limits: ImageLimits) -> dict[int, Bounds]:
    """Return what the images that are too large or of another type must not exceed, by place.

    Those that are too many are not looked at: the oldest, as in ``with_fitting_images``.
    """
    start = max(len(images) - limits.count, 0) if limits.count is not None else 0
    is_many = limits.many is not None and len(images) - start > limits.many
    side = limits.side_of_many if is_many else limits.side
    needed: dict[int, Bounds] = {}
    for at, part in enumerate(images[start:], start):
        if part.base64 is None or (found := true_image(part)) is None:
            continue
        true, image = found
        if image is None or min(image.width, image.height) == 0:
            continue
        is_long = side is not None and max(image.width, image.height) > side
        is_large = limits.size is not None and len(true.base64 or "") > limits.size
        is_foreign = true.media_type in READABLE - limits.types
        if is_long or is_large or is_foreign:
            needed[at] = Bounds(side, limits.size)
    return needed


class ScaledImages:
    """Images that were made smaller, the last used ones.

    Args:
        max_bytes: Bytes that are kept at most.

    Attributes:
        size_bytes: Bytes that are kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[tuple[bytes, Bounds], ImagePart | None] = OrderedDict()
        self.size_bytes = 0

    async def scaled(
        self, wanted: Sequence[tuple[ImagePart, Bounds]]
    ) -> Sequence[ImagePart | None]:
        """Return images within bounds; ``None`` for each that cannot be made smaller in time."""
        made: list[ImagePart | None] = [None] * len(wanted)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                # The newest first. A request has few, and two are made at a time anyway.
                for at, (part, bounds) in reversed(list(enumerate(wanted))):
                    made[at] = await self._one(part, bounds)
        except (TimeoutError, ScalingTimedOut):
            log.warning("images not scaled in time", images=len(wanted))
        except ChildrenBusy:
            log.warning("images not scaled, too many are waiting", images=len(wanted))
        return made

    async def _one(self, part: ImagePart, bounds: Bounds) -> ImagePart | None:
        content = (part.base64 or "").encode()
        key = (blake2b(content, digest_size=16).digest(), bounds)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        try:
            scaled = await scaled_image(part, bounds)
        except ScalingError as error:
            log.info("image not scaled", error=error_kind(error))
            scaled = None
        self._keep(key, scaled)
        return scaled

    def _keep(self, key: tuple[bytes, Bounds], image: ImagePart | None) -> None:
        if key in self._kept:  # A request of another session was faster.
            return
        self._kept[key] = image
        self.size_bytes += _size(image)
        while self.size_bytes > self._max_bytes:
            _, oldest = self._kept.popitem(last=False)
            self.size_bytes -= _size(oldest)


def _size(image: ImagePart | None) -> int:
    return ENTRY_BYTES + (len(image.base64 or "") if image else 0)


@cache
def _kept() -> ScaledImages:
    return ScaledImages(KEPT_BYTES)
