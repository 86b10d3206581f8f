"""What a reader of a session's events can ask for.

Source: docs/contract.md, "Stream rules"; docs/sdk.md, "Lists of events".
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, cast

import orjson
from fastapi import Request
from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from everruns.api.plain import validate
from everruns.api.vocabulary import ShownEvent, Vocabulary
from everruns.domain.base import Flag, Model
from everruns.errors import InvalidCursor
from everruns.ids import EventPlace, read_event_id

# What event ids can hold, as the face with the larger sequences counts it.
MAX_SEQUENCE = 2**36 - 1
LISTS = {"types", "exclude", "tags"}

# Names of the parameters, by what takes them.
STREAM_PARAMETERS = ("since_id", "after_sequence", "types", "exclude")
LIST_PARAMETERS = (*STREAM_PARAMETERS, "before_sequence", "turn_id", "limit")
SDK_LIST_PARAMETERS = (
    *LIST_PARAMETERS,
    "around",
    "window",
    "from_ts",
    "to_ts",
    "exec_id",
    "trace_id",
    "tags",
    "tool_name",
    "q",
    "order_desc",
)
TOOL_EVENTS = {"tool.started", "tool.call_requested", "tool.completed"}


def _milliseconds(text: Any) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("must be a time of RFC 3339, e.g. 2026-01-31T10:00:00.000Z")
    return round(moment.timestamp() * 1000)


def _flag(text: Any) -> Any:
    return {"true": True, "false": False}.get(text, text)


Moment = Annotated[
    int,
    PlainValidator(_milliseconds),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A time of RFC 3339 as milliseconds since the epoch."""

QueryFlag = Annotated[Flag, BeforeValidator(_flag)]
Words = Annotated[str, Field(max_length=256)]
NOTHING_HAS = "Events of this server have none, so a list that asks for one is empty."


class EventsRequest(Model):
    """Which events of a session a reader wants.

    Names of types may be repeated or separated by commas.
    """

    since_id: str | None = Field(
        None, description="Begin after this event; also the id of a delta."
    )
    after_sequence: int | None = Field(
        None, ge=0, le=MAX_SEQUENCE, description="Begin after this place; 0 replays everything."
    )
    types: list[str] = Field(default_factory=list, max_length=100, description="Only these types.")
    exclude: list[str] = Field(
        default_factory=list, max_length=100, description="None of these types."
    )
    before_sequence: int | None = Field(
        None, ge=0, le=MAX_SEQUENCE, description="For lists: only what comes before this place."
    )
    turn_id: str | None = Field(
        None, pattern=r"^turn_[0-9a-f]{32}$", description="For lists: only what is of this turn."
    )
    limit: int = Field(100, ge=1, le=1000, description="For lists: how many at most.")
    around: str | None = Field(
        None, description="Only this event, with `window` events before and after it."
    )
    window: int = Field(20, ge=0, le=500, description="How many on each side of `around`.")
    from_ts: Moment | None = Field(None, description="Only what happened then or later.")
    to_ts: Moment | None = Field(None, description="Only what happened then or earlier.")
    exec_id: Words | None = Field(None, description=NOTHING_HAS)
    trace_id: Words | None = Field(None, description=NOTHING_HAS)
    tags: list[str] = Field(default_factory=list, max_length=100, description=NOTHING_HAS)
    tool_name: Words | None = Field(
        None, description="Only starts, requests and results of calls of this tool."
    )
    q: Words = Field("", description="Only events whose data hold this text, in any case.")
    order_desc: QueryFlag = Field(
        default=False, description="Newest first: the newest are kept when there are more."
    )

    @classmethod
    def of(
        cls, request: Request, names: Sequence[str], defaults: Mapping[str, Any]
    ) -> "EventsRequest":
        """Read a request's query.

        Args:
            request: The request.
            names: The parameters that its route takes; others are ignored.
            defaults: What holds for parameters that are not given.

        Raises:
            InvalidRequest: A parameter is wrong.
        """
        given = request.query_params
        query = {**defaults, **{name: given[name] for name in names if name in given}}
        for name in LISTS & query.keys():
            values = ",".join(given.getlist(name)).split(",")
            query[name] = [value for value in values if value]
        return validate(cls, query, "query")

    def start(
        self, session_id: str, last_event_id: str, vocabulary: Vocabulary
    ) -> EventPlace | None:
        """Return the place after which the reader wants to begin.

        Args:
            session_id: The session.
            last_event_id: What a reconnecting reader has seen last; may be unknown or empty.
            vocabulary: Says which place a sequence is.

        Raises:
            InvalidCursor: ``since_id`` is no event's id.
        """

        def is_after(one: EventPlace, other: EventPlace) -> bool:
            ranks = [(vocabulary.sequence_of(at), at.ms, at.position) for at in (one, other)]
            return ranks[0] > ranks[1]

        start = None
        if self.since_id is not None:
            start = place_of(session_id, self.since_id, "since_id")
        elif self.after_sequence is not None:
            start = vocabulary.place_at(self.after_sequence)
        # A browser reconnects to the URL it began with, so what its header says is the newer.
        seen = read_event_id(session_id, last_event_id)
        if seen is not None and (start is None or is_after(seen, start)):
            return seen
        return start

    def wants(self, event_type: str) -> bool:
        """Tell whether events of this type are wanted."""
        return event_type not in self.exclude and (not self.types or event_type in self.types)

    @property
    def asks_for_nothing(self) -> bool:
        """Whether no event can be what is asked for."""
        return bool(self.exec_id is not None or self.trace_id is not None or self.tags)

    def matches(self, event: ShownEvent) -> bool:
        """Tell whether a shown event is wanted in a list."""
        if not self.wants(event.type):
            return False
        if self.tool_name is None and not self.q:
            return True
        data = orjson.loads(event.body)["data"]
        if self.tool_name is not None and self.tool_name not in _tools(event.type, data):
            return False
        return any(self.q.lower() in text.lower() for text in _texts(data))


def place_of(session_id: str, identity: str, field: str) -> EventPlace:
    """Return the place that a parameter names.

    Raises:
        InvalidCursor: It is no event's id.
    """
    place = read_event_id(session_id, identity)
    if place is None:
        raise InvalidCursor(f"{field}: {identity[:64]!r} is no event id of this session")
    return place


def _tools(event_type: str, data: dict[str, Any]) -> set[Any]:
    """Return the tools that a shown event tells of."""
    if event_type not in TOOL_EVENTS:
        return set()
    calls = data.get("tool_calls") or [data.get("tool_call") or {"name": data.get("tool_name")}]
    return {call["name"] for call in calls}


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in JSON data, names of fields left out."""
    match value:
        case str():
            yield value
        case dict():
            for item in cast("dict[str, Any]", value).values():
                yield from _texts(item)
        case list():
            for item in cast("list[Any]", value):
                yield from _texts(item)
        case _:
            pass
