"""The event log with the names of the Everruns SDK.

One event of the log can be shown as several, its *parts*. The last part has the id of the log's
event. An earlier part has an id that contains the previous sequence and, at the end of the
positions, the part's number: a reader that saw it last continues with the next part.

Each part has its own sequence, which follows from its position alone: event n of the log owns the
numbers from 16 (n - 1) + 1 to 16 n, of which its last part has 16 n and the parts before it the
first ones. So a sequence names the same position as an id, and resuming from it needs no lookup.

A message that is being written is shown as deltas, each with all the text before it. The id of a
delta contains how much of the message a reader then has, so that it continues right there; so does
the id of a user's message in the meantime. Since that is one number, a reader gets the thinking
first and then the text; later thinking appears only in ``reason.thinking.completed``.

    position         what has been seen after the event of the sequence
    0                that event
    1                that the model answers: reason.started
    2 + n            n characters of its thinking
    2**19 + n        n characters of its text
    2**20 - 16 + n   n parts of the next event

``everruns.api.sdk.table`` translates each event.

Source: docs/sdk.md, "Events".
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

import orjson

from everruns.api.http.vocabulary import Showing, ShownEvent, Vocabulary
from everruns.api.sdk.event_types import SDK_EXAMPLE_STREAM, SdkEventList
from everruns.api.sdk.table import RULES, Data, given
from everruns.domain.events import TURN_ENDS, Delta, Event, EventType, Passing, ToolProgress
from everruns.ids import (
    GENERIC_HARNESS_ID,
    MAX_POSITION,
    EventPlace,
    event_id,
    format_time,
    made_ms,
)
from everruns.runtime.feed.cursor import Cursor

ANSWERING = 1
SEQUENCES_PER_EVENT = 16
"""Sequences that each event of the log owns, and so the most parts it can have. Clients keep
sequences: this number can never change."""
PARTS = MAX_POSITION + 1 - SEQUENCES_PER_EVENT

# Characters of a message that are shown as it is written; the rest comes with the whole message.
LONGEST = 2**19 - 17
# A stretch repeats the text before it: it waits until it is worth a fraction of that, so that a
# message costs its length some hundred times, and not its length squared.
FINENESS = 256


@dataclass(frozen=True)
class _Channel:
    """One of the two texts of a message that is being written."""

    name: str
    position: int


_CHANNELS = {
    EventType.REASONING_DELTA: _Channel("reason.thinking", 2),
    EventType.MESSAGE_DELTA: _Channel("output.message", 2**19),
}
_BY_POSITION = list(reversed(_CHANNELS.items()))


class _Written:
    """What is written of a message so far: one copy for all who read it in this process."""

    def __init__(self) -> None:
        self._texts: dict[EventType, str] = {}

    def add(self, kind: EventType, offset: int, stretch: str) -> int:
        """Take in a stretch of a text; return how much of it is shown as it is written."""
        known = self._texts.get(kind, "")
        end = offset + len(stretch)
        if end > len(known):
            self._texts[kind] = (known[:offset] + stretch)[:LONGEST]
        return min(end, LONGEST)

    def text(self, kind: EventType, length: int) -> str:
        """Return the first ``length`` characters of a text."""
        return self._texts[kind][:length]


_written: WeakValueDictionary[str, _Written] = WeakValueDictionary()


@dataclass
class _Writing:
    """A message that is being written, and how much of it the reader has.

    Attributes:
        message_id: The id that the finished message will have.
        written: Its texts.
        is_announced: Whether the reader knows that the model answers.
        read: How many characters have come, by the deltas' type.
        shown: How many characters the reader has, by the deltas' type; what has not begun is not
            there.
    """

    message_id: str
    written: _Written = field(compare=False)
    is_announced: bool = False
    read: dict[EventType, int] = field(default_factory=dict[EventType, int])
    shown: dict[EventType, int] = field(default_factory=dict[EventType, int])

    @classmethod
    def begin(cls, message_id: str) -> "_Writing":
        """Return a message of which the reader has seen nothing."""
        written = _written.get(message_id)
        if written is None:
            written = _written[message_id] = _Written()
        return cls(message_id, written)

    def copy(self) -> "_Writing":
        """Return a copy that changes independently and shares the texts."""
        return _Writing(
            self.message_id, self.written, self.is_announced, dict(self.read), dict(self.shown)
        )

    @property
    def progress(self) -> int:
        """The position that says how much of the message the reader has."""
        for kind, channel in _BY_POSITION:
            if kind in self.shown:
                return channel.position + self.shown[kind]
        return ANSWERING if self.is_announced else 0


@dataclass(frozen=True)
class _Moment:
    """When something is shown: its time, the last event before it, and what it belongs to."""

    ms: int
    sequence: int
    context: Data


@dataclass
class _Showing:
    """Shows one reader the rest of a session.

    Attributes:
        session_id: The session.
        seen: What the reader has seen last, until it has gone beyond it.
        had: How much of a message in progress the reader had; until its deltas come again.
        writing: The message in progress.
    """

    session_id: str
    seen: EventPlace | None
    had: EventPlace | None
    writing: _Writing | None = None

    def __hash__(self) -> int:
        """Agree with ``==``. A showing changes only before it is handed out."""
        message_id = self.writing.message_id if self.writing else None
        return hash((self.session_id, self.seen, self.had, message_id))

    def show(self, items: Iterable[Event | Passing]) -> "tuple[list[ShownEvent], _Showing]":
        """Return what is shown of the next items, in order, and the reader's showing then."""
        writing = self.writing.copy() if self.writing else None
        after = _Showing(self.session_id, self.seen, self.had, writing)
        return [shown for item in items for shown in after.take(item)], after

    def take(self, item: Event | Passing) -> Iterator[ShownEvent]:
        """Show the next item and change with it; only for one that nobody else has yet."""
        match item:
            case Delta():
                return self._delta(item)
            case ToolProgress():
                return self._tool_progress(item)
            case _:
                return self._event(item)

    def _event(self, event: Event) -> Iterator[ShownEvent]:
        envelope = event.envelope
        data = envelope["data"]
        context = given(envelope["context"], "turn_id", "input_message_id")
        if event.type == EventType.MESSAGE_CREATED and data["message"]["role"] == "agent":
            moment = _Moment(event.ts, event.sequence - 1, context)
            yield from self._end_of_writing(data["message"]["id"], moment)
        elif event.type in TURN_ENDS:
            self.had = self.writing = None
        rule = RULES.get(EventType(event.type))
        parts = list(rule.parts(data, context)) if rule else []
        seen = _parts_seen(self.seen, event)
        if self.seen is not None and event.sequence == self.seen.sequence + 1:
            self.seen = None
        for number, (name, shown) in enumerate(parts[seen:], seen + 1):
            if number < len(parts):
                place = (event.sequence - 1, PARTS + number)
            else:
                place = (event.sequence, self._progress())
            yield self._shown(name, EventPlace(event.ts, *place), context, shown)

    def _delta(self, delta: Delta) -> Iterator[ShownEvent]:
        writing = self.writing
        if writing is None or writing.message_id != delta.message_id:
            writing = self.writing = self._begin_writing(delta.message_id)
        writing.read[delta.type] = writing.written.add(delta.type, delta.offset, delta.text)
        moment = _Moment(delta.ts, delta.sequence, {"turn_id": delta.turn_id})
        if delta.type == EventType.MESSAGE_DELTA:
            yield from self._stretch(writing, EventType.REASONING_DELTA, moment, is_last=True)
        yield from self._stretch(writing, delta.type, moment, is_last=False)

    def _tool_progress(self, progress: ToolProgress) -> Iterator[ShownEvent]:
        moment = _Moment(progress.ts, progress.sequence, {"turn_id": progress.turn_id})
        yield self._passing(progress.type, self._progress(), moment, progress.data)

    def _begin_writing(self, message_id: str) -> _Writing:
        writing = _Writing.begin(message_id)
        had, self.had = self.had, None
        # A message begun after the reader saw its last delta is another one: the process that
        # wrote that message was lost.
        if had is None or made_ms(message_id) > had.ms:
            return writing
        writing.is_announced = True
        for kind, channel in _BY_POSITION:
            if had.position >= channel.position:
                writing.shown[kind] = had.position - channel.position
                break
        return writing

    def _end_of_writing(self, message_id: str, moment: _Moment) -> Iterator[ShownEvent]:
        """Show what was held back of a message that is finished."""
        writing, self.had, self.writing = self.writing, None, None
        if writing is not None and writing.message_id == message_id:
            for kind in _CHANNELS:
                yield from self._stretch(writing, kind, moment, is_last=True)

    def _progress(self) -> int:
        """Return the position that says how much of a message in progress the reader has."""
        if self.writing is not None:
            return self.writing.progress
        return self.had.position if self.had else 0

    def _stretch(
        self, writing: _Writing, kind: EventType, moment: _Moment, *, is_last: bool
    ) -> Iterator[ShownEvent]:
        """Show what the reader has not seen of a text, if it is worth it or the last of it."""
        length = writing.read.get(kind, 0)
        is_late = kind == EventType.REASONING_DELTA and EventType.MESSAGE_DELTA in writing.shown
        # While an event is being stored, deltas have its time, and that can be before a message
        # that begins meanwhile: its ids must not be older than it is, see ``_begin_writing``.
        if not length or is_late or moment.ms < made_ms(writing.message_id):
            return
        channel = _CHANNELS[kind]
        turn = {"turn_id": moment.context["turn_id"]}
        if not writing.is_announced:
            writing.is_announced = True
            yield self._passing("reason.started", ANSWERING, moment, _STARTED)
        if kind not in writing.shown:
            writing.shown[kind] = 0
            yield self._passing(f"{channel.name}.started", channel.position, moment, turn)
        start = writing.shown[kind]
        if start < length and (is_last or (length - start) * FINENESS >= start):
            writing.shown[kind] = length
            text = writing.written.text(kind, length)
            stretch = {**turn, "delta": text[start:], "accumulated": text}
            position = channel.position + length
            yield self._passing(f"{channel.name}.delta", position, moment, stretch)

    def _passing(self, name: str, position: int, moment: _Moment, data: Data) -> ShownEvent:
        place = EventPlace(moment.ms, moment.sequence, position)
        return self._shown(name, place, moment.context, data, is_passing=True)

    def _shown(
        self, name: str, place: EventPlace, context: Data, data: Data, *, is_passing: bool = False
    ) -> ShownEvent:
        identity = event_id(self.session_id, place.ms, place.sequence, place.position)
        sequence = None if is_passing else _sequence_of(place)
        envelope = {
            "id": identity,
            "type": name,
            "ts": format_time(place.ms),
            "session_id": self.session_id,
            **({} if sequence is None else {"sequence": sequence}),
            "context": context,
            "data": data,
        }
        return ShownEvent(name, identity, sequence, orjson.dumps(envelope))


_STARTED: Data = {"harness_id": GENERIC_HARNESS_ID}


def _is_in_message(place: EventPlace) -> bool:
    return 0 < place.position <= PARTS


def _sequence_of(place: EventPlace) -> int:
    return place.sequence * SEQUENCES_PER_EVENT + max(0, place.position - PARTS)


def _place_at(sequence: int) -> EventPlace:
    logged, part = divmod(sequence, SEQUENCES_PER_EVENT)
    return EventPlace(0, logged, PARTS + part if part else 0)


def _parts_seen(place: EventPlace | None, event: Event) -> int:
    if place is None or event.sequence != place.sequence + 1:
        return 0
    return max(0, place.position - PARTS)


def _cursor(place: EventPlace) -> Cursor:
    # A reader that has seen a part of a message has seen its deltas and needs none again.
    return Cursor(place.sequence, live=_is_in_message(place))


def _begin(session_id: str, seen: EventPlace | None) -> Showing:
    return _Showing(session_id, seen, seen if seen and _is_in_message(seen) else None)


EVERRUNS = Vocabulary(
    shown_as={
        EventType.REASONING_DELTA: (
            "reason.started",
            "reason.thinking.started",
            "reason.thinking.delta",
        ),
        EventType.MESSAGE_DELTA: (
            "reason.started",
            "output.message.started",
            "output.message.delta",
        ),
        EventType.TOOL_PROGRESS: ("tool.progress",),
        **{kind: rule.names for kind, rule in RULES.items()},
    },
    cursor=_cursor,
    sequence_of=_sequence_of,
    place_at=_place_at,
    begin=_begin,
    listed=SdkEventList,
    event_schema="SdkEvent",
    example=SDK_EXAMPLE_STREAM,
)
"""The names that the Everruns SDK and its users read."""
