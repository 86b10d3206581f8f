"""The output items of a response, put together from the events of its stream.

Source: https://platform.openai.com/docs/api-reference/responses-streaming.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from everruns.domain.messages import ThinkingBlock
from everruns.providers.base import ReasoningDelta, TextDelta
from everruns.providers.deltas import CharacterJoiner, whole_characters
from everruns.providers.tool_calls import RawCall, exact_json

BLANK_LINE = "\n\n"

Described = dict[str, Any]
"""An item as the provider describes it."""


@dataclass
class OutputItem:
    """An output item as it arrives: a message, reasoning or a function call.

    Attributes:
        kind: Its ``type``.
        index: Its ``output_index`` as text, if it has one.
        is_named: Whether it has an id.
        text_before: Where it stands: the code points of the answer's text before it.
        calls_before: The calls before it.
        pieces: Its text, or a call's arguments.
        growing: Joins pieces that end in the middle of a character.
        part: The part of the reasoning that the last piece belongs to.
        lead: What separates it from the reasoning before it.
        whole: The item as the provider last described it.
        ended: Whether that was its final description.
    """

    kind: str
    index: str | None
    is_named: bool
    text_before: int
    calls_before: int
    pieces: list[str] = field(default_factory=list[str])
    growing: CharacterJoiner = field(default_factory=CharacterJoiner)
    part: Any = None
    lead: str = ""
    whole: Described = field(default_factory=dict[str, Any])
    ended: bool = False

    @property
    def text(self) -> str:
        """Its text so far, or a call's arguments."""
        return "".join(self.pieces)


class OutputItems:
    """The items of one response, in the order in which they began."""

    def __init__(self) -> None:
        self._items: list[OutputItem] = []
        self._named: dict[tuple[str, str], OutputItem] = {}
        self._text_length = 0

    def find(
        self, kind: str, index: Any, source: dict[str, Any], *, begins: bool = False
    ) -> OutputItem:
        """Find the item that an event is about, or begin it.

        Some servers leave out ids or indexes, change an item's id from event to event, or give
        all items the same one. Only a call's ``call_id`` can be relied on.

        Args:
            kind: The item's type.
            index: Its ``output_index``, if the event has one.
            source: What holds its ids: the event or the described item.
            begins: Whether the event says that the item is a new one.
        """
        index = None if index is None else str(index)
        ids = _ids(kind, source)
        item = next((self._named[name] for name in ids if name in self._named), None)
        if item is not None and (_is_other_call(item, source) or (begins and item.ended)):
            item = None
        elif item is None and not begins:
            item = self._latest_open(kind, index, source)
        if item is None:
            item = OutputItem(
                kind=kind,
                index=index,
                is_named=bool(ids),
                text_before=self._text_length,
                calls_before=len(self.of_kind("function_call")),
            )
            self._items.append(item)
            self._named.update(dict.fromkeys(ids, item))
        return item

    def find_final(self, described: Described, place: int) -> OutputItem:
        """Find the item that the finished response describes, or begin it.

        Args:
            described: The item.
            place: The number of items of its type before it in the response. It tells items apart
                whose ids have changed since they were streamed.
        """
        kind = str(described.get("type"))
        for name in _ids(kind, described):
            item = self._named.get(name)
            if item is not None and not _is_other_call(item, described):
                return item
        streamed = self.of_kind(kind)
        if place < len(streamed):
            return streamed[place]
        return self.find(kind, None, described, begins=True)

    def of_kind(self, kind: str) -> list[OutputItem]:
        """Return the items of a type, in order."""
        return [item for item in self._items if item.kind == kind]

    @property
    def are_whole(self) -> bool:
        """Whether there are items, and each has had its final description."""
        return bool(self._items) and all(item.ended for item in self._items)

    def grow(self, item: OutputItem, piece: str, part: Any) -> Sequence[TextDelta | ReasoningDelta]:
        """Add a piece to an item, and return what of it is shown.

        Args:
            item: The item.
            piece: As it came.
            part: What tells the parts of reasoning apart, which become paragraphs.
        """
        if item.kind == "function_call":
            # Fails for a piece that is not text, as the pieces of other items do.
            item.pieces.append("" + piece)
            return ()
        text = item.growing.add(piece)
        if not text:
            return ()
        if item.kind == "message":
            return [self._say(item, text)]
        return [self._think(item, text, part)] if item.kind == "reasoning" else ()

    def _say(self, item: OutputItem, text: str) -> TextDelta:
        shown = text
        if not item.pieces:
            # Messages of one answer become paragraphs.
            shown = BLANK_LINE + text if self._text_length else text
            item.text_before = self._text_length + len(shown) - len(text)
        self._text_length += len(shown)
        item.pieces.append(text)
        return TextDelta(shown)

    def _think(self, item: OutputItem, text: str, part: Any) -> ReasoningDelta:
        if not item.pieces:
            has_earlier = any(other.pieces for other in self.of_kind("reasoning"))
            item.lead = BLANK_LINE if has_earlier else ""
            shown = item.lead + text
        else:
            shown = text = text if part == item.part else BLANK_LINE + text
        item.part = part
        item.pieces.append(text)
        return ReasoningDelta(shown)

    def complete(self, item: OutputItem, text: str) -> Sequence[TextDelta | ReasoningDelta]:
        """Take the whole text of an item, and return what of it has not come before."""
        known, text = item.text, whole_characters(text)
        if item.kind == "function_call":
            if text and not (item.ended and known):
                item.pieces = [text]
            return ()
        item.growing = CharacterJoiner()
        return self.grow(item, text[len(known) :], item.part) if text.startswith(known) else ()

    def close(self, item: OutputItem, described: Described) -> Sequence[TextDelta | ReasoningDelta]:
        """Take an item's final description; a later one only adds to it."""
        known = _without_nulls(item.whole) if item.ended else {}
        item.whole = {**described, **known}
        deltas = self.complete(item, _content(described))
        item.ended = True
        return deltas

    def raw_calls(self) -> list[RawCall]:
        """Return the calls, in order."""
        return [
            RawCall(
                id=str(item.whole.get("call_id") or item.whole.get("id") or ""),
                name=str(item.whole.get("name") or ""),
                arguments=item.text or arguments_text(item.whole),
            )
            for item in self.of_kind("function_call")
        ]

    def thinking_blocks(self) -> list[ThinkingBlock]:
        """Return what is to be sent back besides texts and calls.

        That is the reasoning, and where a message began if it has a ``phase``, by which models
        tell their comments from their final answer, or if it came after a call.

        Source: https://platform.openai.com/docs/api-reference/responses/create, ``phase``.
        """
        has_phases = any(item.whole.get("phase") for item in self.of_kind("message"))
        blocks: list[ThinkingBlock] = []
        for item in self._items:
            kept: Described | None = None
            if item.kind == "reasoning" and item.ended and item.whole.get("encrypted_content"):
                kept = _without_nulls(item.whole)
                kept.pop("status", None)
            elif item.kind == "message" and item.pieces and (has_phases or item.calls_before):
                kept = _without_nulls({"type": "message", "phase": item.whole.get("phase")})
            thinking = item.lead + item.text if item.kind == "reasoning" else ""
            if kept or thinking:
                blocks.append(
                    ThinkingBlock(
                        thinking=thinking,
                        item=kept,
                        text_before=item.text_before,
                        calls_before=item.calls_before,
                    )
                )
        return sorted(blocks, key=lambda block: (block.text_before, block.calls_before))

    def _latest_open(
        self, kind: str, index: str | None, source: dict[str, Any]
    ) -> OutputItem | None:
        """Find the latest unfinished item that an event with an unknown id may be about."""
        for item in reversed(self._items):
            if item.kind != kind or item.ended or _is_other_call(item, source):
                continue
            if index is not None and item.index is not None:
                if index == item.index:
                    return item
            elif not (item.is_named and _ids(kind, source)):
                return item
        return None


def arguments_text(call: Described) -> str:
    """Return a call's arguments, which some servers send as an object."""
    arguments = call.get("arguments")
    return arguments if isinstance(arguments, str) else exact_json(arguments)


def _ids(kind: str, source: dict[str, Any]) -> list[tuple[str, str]]:
    ids = [source.get(name) for name in ("call_id", "item_id", "id")]
    return [(kind, name) for name in ids if isinstance(name, str) and name]


def _is_other_call(item: OutputItem, source: dict[str, Any]) -> bool:
    known, call_id = item.whole.get("call_id"), source.get("call_id")
    return bool(known and call_id and known != call_id)


def _content(described: Described) -> str:
    """Return the text of an item, or a call's arguments."""
    match described.get("type"):
        case "message":
            content: Any = described.get("content") or ()
            if isinstance(content, str):
                return content
            parts: Any = [content] if isinstance(content, dict) else content
            texts = (part.get("text") or part.get("refusal") for part in parts if part)
            return "".join(text or "" for text in texts)
        case "reasoning":
            parts = [*(described.get("summary") or ()), *(described.get("content") or ())]
            return BLANK_LINE.join(part["text"] for part in parts if part.get("text"))
        case "function_call":
            return arguments_text(described)
        case _:
            return ""


def _without_nulls(described: Described) -> Described:
    return {name: value for name, value in described.items() if value is not None}
