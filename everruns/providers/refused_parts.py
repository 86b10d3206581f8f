"""Which part of a conversation a provider has refused.

The newest message of the user is never it: the model is asked about that one, and its refusal is
the user's to know.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from everruns.domain.messages import Message

# OpenAI and servers like it: messages[3].content[1]; Anthropic: messages.3.content.1.
_PLACE = re.compile(r"\b(?:messages|input)\W{1,3}(\d{1,6})\b")
_ATTACHMENT = re.compile("image|pdf|document|file", re.IGNORECASE)


@dataclass(frozen=True)
class Cut:
    """What to leave out.

    Attributes:
        images: Ids of messages whose images go, and whose PDFs become text.
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
    if _ATTACHMENT.search(reason):
        attached = _with_attachments(named) or _with_attachments(_results_around(messages, first))
        if attached:
            return Cut(images=attached)
    return Cut(messages=tuple(message.id for message in named))


def other_images(messages: Sequence[Message]) -> Cut:
    """Return all images and PDFs but those of the newest message of the user."""
    newest = _newest(messages)
    return Cut(images=_with_attachments([*messages[:newest], *messages[newest + 1 :]]))


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


def _with_attachments(messages: Sequence[Message]) -> tuple[str, ...]:
    return tuple(message.id for message in messages if message.has_attachments)


def _results_around(messages: Sequence[Message], at: int) -> Sequence[Message]:
    """Return the results of one answer: their images may have been sent after all of them."""
    first = end = at
    while first > 0 and messages[first - 1].role == "tool_result":
        first -= 1
    while end < len(messages) and messages[end].role == "tool_result":
        end += 1
    return messages[first:end]
