"""The query parameters of a session's events.

Source: docs/contract.md, "Stream rules"; docs/sdk.md, "Lists of events".
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, cast

import orjson
from fastapi import Request
from pydantic import BeforeValidator, Field
from starlette.datastructures import QueryParams

from everruns.api.http.input import check_query, is_strict, validate
from everruns.api.http.parameters import Moment
from everruns.api.http.vocabulary import ShownEvent, Vocabulary
from everruns.domain.base import Flag, Model
from everruns.domain.forms import id_form
from everruns.errors import InvalidCursor, InvalidRequest
from everruns.ids import MAX_SEQUENCE, EventPlace, read_event_id

LISTS = {"types", "exclude", "tags"}

# Names of the parameters, by what takes them.
STREAM_PARAMETERS = ("since_id", "after_sequence", "types", "exclude")
LIST_PARAMETERS = (*STREAM_PARAMETERS, "before_sequence", "turn_id", "limit")
TOOL_EVENTS = {"tool.started", "tool.call_requested", "tool.completed"}


def _flag(text: Any) -> Any:
    return {"true": True, "false": False}.get(text, text)


QueryFlag = Annotated[Flag, BeforeValidator(_flag)]
Words = Annotated[str, Field(max_length=256)]
NOTHING_HAS = "This server never sets this field; filtering by it returns an empty list."


class EventsRequest(Model):
    """The events of a session that a reader requests.

    Type names can be repeated or separated by commas.
    """

    since_id: str | None = Field(
        None, description="Begin after this event; the id of a delta works too."
    )
    after_sequence: int | None = Field(
        None, ge=0, le=MAX_SEQUENCE, description="Begin after this sequence; 0 replays everything."
    )
    types: list[str] = Field(
        default_factory=list, max_length=100, description="Only events of these types."
    )
    exclude: list[str] = Field(
        default_factory=list, max_length=100, description="No events of these types."
    )
    before_sequence: int | None = Field(
        None, ge=0, le=MAX_SEQUENCE, description="For lists: only events before this sequence."
    )
    turn_id: str | None = Field(
        None, pattern=id_form("turn"), description="For lists: only events of this turn."
    )
    limit: int = Field(100, ge=1, le=1000, description="For lists: maximum number of events.")
    around: str | None = Field(
        None, description="Only this event, with `window` events before and after it."
    )
    window: int = Field(20, ge=0, le=500, description="Number of events on each side of `around`.")
    from_ts: Moment | None = Field(None, description="Only events at or after this time.")
    to_ts: Moment | None = Field(None, description="Only events at or before this time.")
    exec_id: Words | None = Field(None, description=NOTHING_HAS)
    trace_id: Words | None = Field(None, description=NOTHING_HAS)
    tags: list[str] = Field(default_factory=list, max_length=100, description=NOTHING_HAS)
    tool_name: Words | None = Field(
        None, description="Only events about calls of this tool: starts, requests and results."
    )
    q: Words = Field("", description="Only events whose data contain this text, ignoring case.")
    order_desc: QueryFlag = Field(
        default=False, description="Newest first; `limit` then keeps the newest."
    )

    @classmethod
    def of(
        cls, request: Request, names: Sequence[str], defaults: Mapping[str, Any]
    ) -> "EventsRequest":
        """Read a request's query.

        Args:
            request: The request.
            names: The parameters that its route takes; a strict face refuses others.
            defaults: What holds for parameters that are not given.

        Raises:
            InvalidRequest: A parameter is wrong.
        """
        given = request.query_params
        if is_strict(request):
            _refuse_others(given, names)
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
            InvalidCursor: ``since_id`` is not an event id.
        """

        def is_after(one: EventPlace, other: EventPlace) -> bool:
            ranks = [(vocabulary.sequence_of(at), at.ms, at.position) for at in (one, other)]
            return ranks[0] > ranks[1]

        start = None
        if self.since_id is not None:
            start = place_of(session_id, self.since_id, "since_id")
        elif self.after_sequence is not None:
            start = vocabulary.place_at(self.after_sequence)
        # A browser reconnects to its original URL, so its header is newer than the query.
        seen = read_event_id(session_id, last_event_id)
        if seen is not None and (start is None or is_after(seen, start)):
            return seen
        return start

    def wants(self, event_type: str) -> bool:
        """Tell whether events of this type are wanted."""
        return event_type not in self.exclude and (not self.types or event_type in self.types)

    @property
    def asks_for_nothing(self) -> bool:
        """Whether no event can match."""
        return bool(self.exec_id is not None or self.trace_id is not None or self.tags)

    def matches(self, event: ShownEvent) -> bool:
        """Tell whether a list includes a shown event."""
        if not self.wants(event.type):
            return False
        if self.tool_name is None and not self.q:
            return True
        data = orjson.loads(event.body)["data"]
        if self.tool_name is not None and self.tool_name not in _tools(event.type, data):
            return False
        return any(self.q.lower() in text.lower() for text in _texts(data))


def _refuse_others(given: QueryParams, names: Sequence[str]) -> None:
    for_lists = [name for name in LIST_PARAMETERS if name in given and name not in names]
    if for_lists:
        raise InvalidRequest(
            f"{for_lists[0]}: is for lists of events, and this is a stream. "
            "GET /v1/sessions/{session_id}/events/list lists them."
        )
    check_query(given, names, LISTS)


def place_of(session_id: str, identity: str, field: str) -> EventPlace:
    """Return the position that a parameter names.

    Raises:
        InvalidCursor: It is not an event id.
    """
    place = read_event_id(session_id, identity)
    if place is None:
        raise InvalidCursor(f"{field}: {identity[:64]!r} is not an event id of this session")
    return place


def _tools(event_type: str, data: dict[str, Any]) -> set[Any]:
    """Return the tools that a shown event is about."""
    if event_type not in TOOL_EVENTS:
        return set()
    calls = data.get("tool_calls") or [data.get("tool_call") or {"name": data.get("tool_name")}]
    return {call["name"] for call in calls}


def _texts(value: Any) -> Iterator[str]:
    """Yield every string in JSON data, without field names."""
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
