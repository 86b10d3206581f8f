"""Routes of events: one log, streamed or listed.

Source: docs/contract.md, "Events".
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from everruns.api.event_types import EXAMPLE_STREAM, EventList
from everruns.api.faces import Face, ShownEvent
from everruns.api.parameters import runtime_of
from everruns.api.plain import id_of, id_parameter, validate
from everruns.api.sse import EventStream, frame
from everruns.domain.base import Model
from everruns.domain.events import Delta, Event
from everruns.errors import InvalidCursor, InvalidRequest, RouteNotFound
from everruns.ids import read_event_id
from everruns.runtime.cursor import Cursor
from everruns.runtime.streams import Batch
from everruns.settings import Settings
from everruns.storage.base import EventQuery

MAX_SEQUENCE = 2**32 - 1  # What an event id can hold.
LISTS = {"types", "exclude"}

LISTED: Mapping[str, Any] = {"description": "The events", "model": EventList}


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

    @classmethod
    def of(cls, request: Request) -> "EventsRequest":
        """Read a request's query.

        Raises:
            InvalidRequest: A parameter is wrong.
        """
        query: dict[str, Any] = dict(request.query_params)
        for name in LISTS & query.keys():
            values = ",".join(request.query_params.getlist(name)).split(",")
            query[name] = [value for value in values if value]
        return validate(cls, query, "query")

    def cursor(self, session_id: str, last_event_id: str) -> Cursor:
        """Return where the reader wants to begin.

        Args:
            session_id: The session.
            last_event_id: What a reconnecting reader has seen last; may be unknown or empty.

        Raises:
            InvalidCursor: ``since_id`` is no event's id.
        """
        cursor = Cursor(self.after_sequence)
        if self.since_id is not None:
            known = read_event_id(session_id, self.since_id)
            if known is None:
                raise InvalidCursor(
                    f"since_id: {self.since_id[:64]!r} is no event id of this session"
                )
            # A delta says that its message was being read live: it is sent again from its start.
            cursor = Cursor(known[0], live=known[1])
        # A browser reconnects to the URL it began with, so what its header says is the newer.
        seen = read_event_id(session_id, last_event_id)
        if seen is not None and seen[0] > (cursor.sequence or 0):
            return Cursor(seen[0], live=seen[1])
        return cursor

    def wants(self, event_type: str) -> bool:
        """Tell whether events of this type are wanted."""
        return event_type not in self.exclude and (not self.types or event_type in self.types)


class EventRoutes:
    """The routes of events on one face."""

    def __init__(self, face: Face) -> None:
        self._face = face

    async def stream_or_list_events(self, request: Request) -> Response:
        """Stream a session's events; with `Accept: application/json`, list them.

        Without a cursor the stream replays from the newest user message on, then goes live.
        """
        if _prefers_json(request.headers.get("accept", "")):
            return await self.list_events(request)
        return await self.stream_events(request)

    async def stream_events(self, request: Request) -> Response:
        """Stream a session's events.

        Without a cursor the stream replays from the newest user message on, then goes live.
        """
        session_id, wanted, cursor = self._read(request)
        settings: Settings = request.app.state.settings

        def encode(batch: Batch) -> bytes:
            return b"".join(map(frame, self._shown(session_id, batch, wanted)))

        return EventStream(
            await runtime_of(request).stream(session_id, cursor),
            encode,
            request.app.state.open_streams,
            heartbeat_s=settings.heartbeat_s,
            cycle_s=settings.stream_cycle_s,
        )

    async def list_events(self, request: Request) -> Response:
        """List a session's durable events, oldest first."""
        session_id, wanted, cursor = self._read(request)
        backwards = wanted.before_sequence is not None and cursor.sequence is None
        query = EventQuery(
            after=cursor.sequence,
            before=wanted.before_sequence,
            types=wanted.types,
            exclude=wanted.exclude,
            turn_id=wanted.turn_id,
            limit=wanted.limit,
            newest_first=backwards,
        )
        events = await runtime_of(request).registry.sessions.events(session_id, query)
        ordered = events[::-1] if backwards else events
        bodies = (event.body for event in self._shown(session_id, ordered, wanted))
        return Response(b'{"data":[%b]}' % b",".join(bodies), media_type="application/json")

    def _read(self, request: Request) -> tuple[str, EventsRequest, Cursor]:
        session_id = id_of(request, "session")
        wanted = EventsRequest.of(request)
        for field, names in (("types", wanted.types), ("exclude", wanted.exclude)):
            for name in names:
                if name not in self._face.event_types:
                    known = ", ".join(sorted(self._face.event_types))
                    raise InvalidRequest(
                        f"{field}: {name[:64]!r} is no type of events. There are: {known}"
                    )
        last_event_id = request.headers.get("last-event-id", "")
        return session_id, wanted, wanted.cursor(session_id, last_event_id)

    def _shown(
        self, session_id: str, items: Sequence[Event | Delta], wanted: EventsRequest
    ) -> Iterator[ShownEvent]:
        for item in items:
            for event in self._face.show(session_id, item):
                if wanted.wants(event.type):
                    yield event


def _prefers_json(accept: str) -> bool:
    """Tell whether an ``Accept`` header names JSON before event streams."""
    qualities = {"application/json": 0.0, "text/event-stream": 0.0}
    for entry in accept.lower().split(","):
        media_type, *parameters = (part.strip() for part in entry.split(";"))
        if media_type in qualities:
            weights = [part[2:] for part in parameters if part.startswith("q=")]
            qualities[media_type] = _quality(weights[0]) if weights else 1.0
    return qualities["application/json"] > qualities["text/event-stream"]


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


async def refuse_stream(request: Request) -> Response:
    """Tell a user of the SDK where its streams are."""
    raise RouteNotFound(
        f"There is no route {request.scope['path'][:100]}. Streams of /v1 are at …/events. "
        "The Everruns SDK needs a base URL that ends in /api: EVERRUNS_API_URL=http://host:port/api"
    )


def _stream_content(face: Face) -> dict[str, Any]:
    """Describe the frames of a face's streams to the OpenAPI document."""
    json_text = {"type": "string", "contentMediaType": "application/json"}
    event = {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "event": {"enum": sorted(face.event_types)},
            "id": {"type": "string", "description": "On durable events: a cursor."},
            "data": {**json_text, "contentSchema": {"$ref": "#/components/schemas/Event"}},
        },
    }
    sign = {
        "type": "object",
        "required": ["event", "data"],
        "properties": {"event": {"enum": ["connected", "disconnecting"]}, "data": json_text},
    }
    schema = {"description": "One frame of the stream.", "oneOf": [event, sign]}
    return {"text/event-stream": {"schema": schema, "example": EXAMPLE_STREAM}}


def _parameters(face: Face) -> list[dict[str, Any]]:
    """Describe what ``EventsRequest`` reads to the OpenAPI document."""
    fields: dict[str, Any] = EventsRequest.model_json_schema()["properties"]
    for name in LISTS:
        fields[name]["items"]["enum"] = sorted(face.event_types)
    last_event_id = {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "What a reconnecting reader has seen last; ignored when it is unknown.",
        "schema": {"type": "string"},
    }
    return [
        id_parameter("session"),
        *({"name": name, "in": "query", "schema": schema} for name, schema in fields.items()),
        last_event_id,
    ]


def add_routes(router: APIRouter, face: Face) -> None:
    """Add the routes of events to a face."""
    routes = EventRoutes(face)
    at_events, at_sse = "/sessions/{session_id}/events", "/sessions/{session_id}/sse"
    described = {"parameters": _parameters(face)}
    stream = {"description": "The events as they come", "content": _stream_content(face)}
    if face.streams_at == "events":
        router.get(at_events, responses={200: {**LISTED, **stream}}, openapi_extra=described)(
            routes.stream_or_list_events
        )
        router.get(at_sse, include_in_schema=False)(refuse_stream)
    else:
        router.get(at_events, responses={200: dict(LISTED)}, openapi_extra=described)(
            routes.list_events
        )
        router.get(at_sse, responses={200: stream}, openapi_extra=described)(routes.stream_events)
