"""What a session's model is not shown any more, read from the log page by page."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

from everruns.domain.base import MIB
from everruns.domain.events import MESSAGE_EVENTS
from everruns.domain.excerpts import plain_text, shortened
from everruns.domain.logged_messages import message_of
from everruns.domain.messages import Message
from everruns.domain.state import SessionState
from everruns.registry.logs import Logs
from everruns.storage.logs import EventQuery
from everruns.tools.base import ToolError

PAGE_EVENTS = 500
# Together a search reads at most 64 MB; the next one goes on from there.
PAGES = 64
MAX_FOUND = 10
EXCERPT = 400
LONGEST_PIECE = 8_000
NEIGHBOURS = 3


class CompactedHistory:
    """The messages that a compaction has replaced or masked; implements ``History``.

    Args:
        logs: Where the log is read.
        session_id: Whose history it is.
        up_to: The sequence of its last message.
    """

    def __init__(self, logs: Logs, session_id: str, up_to: int) -> None:
        self._logs = logs
        self._session_id = session_id
        self._up_to = up_to

    @classmethod
    def of(cls, logs: Logs, state: SessionState) -> "CompactedHistory | None":
        """Return the history of a session; ``None`` if its model is shown all."""
        compaction = state.compaction
        if compaction is None:
            return None
        up_to = max(compaction.up_to_sequence, compaction.masked_up_to_sequence)
        return cls(logs, state.session_id, up_to)

    async def search(self, words: str, before_sequence: int | None) -> dict[str, Any]:
        """See ``History.search``."""
        wanted = words.casefold().split()
        before = min(before_sequence or self._up_to + 1, self._up_to + 1)
        query = replace(await self._query(), before=before, newest_first=True)
        found: list[dict[str, Any]] = []
        for _ in range(PAGES):
            page = await self._read(query)
            for message in page:
                text = plain_text(message)
                folded = text.casefold()
                if all(word in folded for word in wanted):
                    found.append(_shown(message, _excerpt(text, folded, wanted)))
                if len(found) == MAX_FOUND:
                    return {"found": found, "search_on_before_sequence": message.sequence}
            if not page:
                return {"found": found}
            query = replace(query, before=page[-1].sequence)
        return {"found": found, "search_on_before_sequence": query.before}

    async def around(self, sequence: int, offset: int) -> dict[str, Any]:
        """See ``History.around``."""
        end = self._up_to + 1
        query = replace(await self._query(), limit=NEIGHBOURS)
        # Each is read by itself, since a large neighbour fills a page.
        found = await self._read(replace(query, after=sequence - 1, before=min(sequence + 1, end)))
        if not found:
            raise ToolError(
                f"There is no message {sequence} among those that you cannot see. Search for its "
                "words instead."
            )
        before = await self._read(replace(query, before=sequence, newest_first=True))
        after = await self._read(replace(query, after=sequence, before=end))
        (asked,) = found
        text = plain_text(asked)
        read_on = offset + LONGEST_PIECE
        more = {"read_on_at_offset": read_on} if read_on < len(text) else {}
        return {
            "before": list(_short(reversed(before))),
            "message": _shown(asked, text[offset:read_on]) | more,
            "after": list(_short(after)),
        }

    async def _query(self) -> EventQuery:
        superseded = await self._logs.superseded(self._session_id)
        return EventQuery(
            types=MESSAGE_EVENTS, without=superseded, limit=PAGE_EVENTS, size_bytes=MIB
        )

    async def _read(self, query: EventQuery) -> Sequence[Message]:
        return [message_of(event) for event in await self._logs.events(self._session_id, query)]


def _short(messages: Iterable[Message]) -> Iterable[dict[str, Any]]:
    return (_shown(message, shortened(plain_text(message), EXCERPT)) for message in messages)


def _shown(message: Message, text: str) -> dict[str, Any]:
    return {
        "sequence": message.sequence,
        "role": message.role,
        "at": message.created_at,
        "text": text,
    }


def _excerpt(text: str, folded: str, words: Sequence[str]) -> str:
    """Return the surroundings of the first of these words in a text."""
    place = _unfolded(text, folded, min((folded.find(word) for word in words), default=0))
    start = max(place - EXCERPT // 2, 0)
    excerpt = text[start : start + EXCERPT]
    return f"{'…' if start else ''}{excerpt}{'…' if start + EXCERPT < len(text) else ''}"


def _unfolded(text: str, folded: str, place: int) -> int:
    """Return where in a text the character is that folding its case has put at a place."""
    # Folding makes some characters longer, such as ß, and none shorter.
    if len(folded) == len(text):
        return place
    ends = accumulate(len(character.casefold()) for character in text)
    return next((number for number, end in enumerate(ends) if end > place), 0)
