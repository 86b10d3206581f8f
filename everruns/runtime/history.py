"""What a session's model is not shown any more, read from the log page by page."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
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
# Events that add no message lie between messages.
WINDOW = 32


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
                if all(word in text.casefold() for word in wanted):
                    found.append(_shown(message, _excerpt(text, wanted)))
                if len(found) == MAX_FOUND:
                    return {"found": found, "search_on_before_sequence": message.sequence}
            if not page:
                return {"found": found}
            query = replace(query, before=page[-1].sequence)
        return {"found": found, "search_on_before_sequence": query.before}

    async def around(self, sequence: int, offset: int) -> dict[str, Any]:
        """See ``History.around``."""
        query = replace(
            await self._query(),
            after=max(sequence - WINDOW, 0),
            before=min(sequence + WINDOW, self._up_to + 1),
        )
        messages = await self._read(query)
        asked = next((said for said in messages if said.sequence == sequence), None)
        if asked is None:
            raise ToolError(
                f"There is no message {sequence} among those that you cannot see. Search for its "
                "words instead."
            )
        before = [said for said in messages if said.sequence < sequence][-NEIGHBOURS:]
        after = [said for said in messages if said.sequence > sequence][:NEIGHBOURS]
        text = plain_text(asked)
        end = offset + LONGEST_PIECE
        more = {"read_on_at_offset": end} if end < len(text) else {}
        return {
            "before": list(_short(before)),
            "message": _shown(asked, text[offset:end]) | more,
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


def _excerpt(text: str, words: Sequence[str]) -> str:
    """Return the surroundings of the first of these words in a text."""
    folded = text.casefold()
    place = min((folded.find(word) for word in words), default=0)
    start = max(place - EXCERPT // 2, 0)
    excerpt = text[start : start + EXCERPT]
    return f"{'…' if start else ''}{excerpt}{'…' if start + EXCERPT < len(text) else ''}"
