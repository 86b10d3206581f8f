"""Which part of a conversation a provider has refused.

The newest message of the user is never it: the model is asked about that one, and its refusal is
the user's to know.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from everruns.domain.messages import ImagePart, Message

# OpenAI and servers like it: messages[3].content[1]; Anthropic: messages.3.content.1.
_PLACE = re.compile(r"\b(?:messages|input)\W{1,3}(\d{1,6})\b")
_IMAGE = re.compile("image", re.IGNORECASE)


@dataclass(frozen=True)
class Cut:
    """What to leave out.

    Attributes:
        images: Ids of messages whose images go.
        messages: Ids of messages that a note replaces.
    """

    images: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()


def named_parts(
    messages: Sequence[Message], reason: str, entries: Callable[[Sequence[Message]], int]
) -> Cut:
    """Return what a refusal names by its place in the request.

    Args:
        messages: The transcript.
        reason: The provider's words.
        entries: Returns how many entries the request has for the beginning of a transcript.
    """
    place = _PLACE.search(reason)
    if place is None:
        return Cut()
    at = int(place[1])

    def length(count: int) -> int:
        return entries(messages[:count])

    counts = range(len(messages) + 1)
    first = bisect_right(counts, at, key=length) - 1
    if not 0 <= first < len(messages):
        return Cut()
    # An entry may hold several messages, and a message may be several entries.
    end = max(first + 1, bisect_right(counts, at + 1, key=length) - 1)
    newest = _newest(messages)
    named = [
        message
        for position, message in enumerate(messages)
        if first <= position < end and position != newest
    ]
    with_images = tuple(message.id for message in named if _has_image(message))
    if _IMAGE.search(reason) and with_images:
        return Cut(images=with_images)
    return Cut(messages=tuple(message.id for message in named))


def earlier_images(messages: Sequence[Message]) -> Cut:
    """Return all images before the newest message of the user."""
    before = messages[: _newest(messages)]
    return Cut(images=tuple(message.id for message in before if _has_image(message)))


def unanswered_messages(messages: Sequence[Message]) -> Cut:
    """Return the messages of the user that no answer follows: they may have been refused before."""
    newest = _newest(messages)
    return Cut(
        messages=tuple(
            message.id
            for position, message in enumerate(messages[:newest])
            if message.role == "user" and messages[position + 1].role == "user"
        )
    )


def _newest(messages: Sequence[Message]) -> int:
    return max((at for at, message in enumerate(messages) if message.role == "user"), default=0)


def _has_image(message: Message) -> bool:
    return any(isinstance(part, ImagePart) for part in message.content)
