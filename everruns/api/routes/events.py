"""Routes of events: one log, streamed or listed.

Source: docs/contract.md, "Events".
"""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from everruns.api.http.faces import SPECIFICATION, Face
from everruns.api.http.parameters import runtime_of
from everruns.api.http.requests import id_of, id_parameter
from everruns.api.http.sse import EventStream, StreamHeaders, frame
from everruns.api.http.vocabulary import Showing
from everruns.api.routes.event_pages import EventPages
from everruns.api.routes.event_requests import (
    LIST_PARAMETERS,
    LISTS,
    SDK_LIST_PARAMETERS,
    STREAM_PARAMETERS,
    EventsRequest,
)
from everruns.errors import InvalidRequest, RouteNotFound
from everruns.ids import EventPlace
from everruns.runtime.feed.batch import Batch
from everruns.runtime.feed.cursor import Cursor
from everruns.settings import Settings


class EventRoutes:
    """The routes of events on one face."""

    def __init__(self, face: Face) -> None:
        self._vocabulary = face.vocabulary
        self._event_types = face.vocabulary.event_types
        self._list_parameters = _list_parameters(face)
        self._defaults = {"limit": face.events_limit}

    async def stream_or_list_events(self, request: Request) -> Response:
        """Stream a session's events.

        Without a cursor the stream starts at the newest user message, then continues live. With
        `Accept: application/json` this lists the events, as `…/events/list` does.
        """
        if _prefers_json(request.headers.get("accept", "")):
            return await self.list_events(request)
        return await self.stream_events(request)

    async def stream_events(self, request: Request) -> Response:
        """Stream a session's events.

        Without a cursor the stream starts at the newest user message, then continues live.
        """
        session_id, wanted, start = self._read(request, STREAM_PARAMETERS)
        return await self._stream(request, session_id, wanted, start)

    async def list_events(self, request: Request) -> Response:
        """List a session's durable events, oldest first.

        Pass the `sequence` of a page's last event as `after_sequence` to get the next page.
        """
        session_id, wanted, start = self._read(request, self._list_parameters)
        return await self._list(request, session_id, wanted, start)

    async def _stream(
        self, request: Request, session_id: str, wanted: EventsRequest, start: EventPlace | None
    ) -> Response:
        if request.method == "HEAD":
            # The headers of a stream, without opening one.
            await runtime_of(request).registry.sessions.get(session_id)
            return StreamHeaders()
        settings: Settings = request.app.state.settings
        cursor = Cursor() if start is None else self._vocabulary.cursor(start)
        frames = Frames(self._vocabulary.begin(session_id, start), wanted)
        return EventStream(
            await runtime_of(request).stream(session_id, cursor),
            frames.of,
            request.app.state.open_streams,
            heartbeat_s=settings.heartbeat_s,
            cycle_s=settings.stream_cycle_s,
        )

    async def _list(
        self, request: Request, session_id: str, wanted: EventsRequest, start: EventPlace | None
    ) -> Response:
        read = runtime_of(request).registry.sessions.events
        page = await EventPages(read, self._vocabulary, session_id, wanted, start).page()
        bodies = b",".join(event.body for event in page)
        return Response(b'{"data":[%b]}' % bodies, media_type="application/json")

    def _read(
        self, request: Request, parameters: Sequence[str]
    ) -> tuple[str, EventsRequest, EventPlace | None]:
        session_id = id_of(request, "session")
        wanted = EventsRequest.of(request, parameters, self._defaults)
        for field, names in (("types", wanted.types), ("exclude", wanted.exclude)):
            for name in names:
                if name not in self._event_types:
                    known = ", ".join(self._event_types)
                    raise InvalidRequest(
                        f"{field}: {name[:64]!r} is not an event type. Known types: {known}"
                    )
        last_event_id = request.headers.get("last-event-id", "")
        return session_id, wanted, wanted.start(session_id, last_event_id, self._vocabulary)


class Frames:
    """What one reader is sent of the batches it reads.

    A batch is shown and encoded once for all readers that it looks the same to.

    Args:
        showing: How the reader has come to see the session.
        wanted: Which events it wants.
    """

    def __init__(self, showing: Showing, wanted: EventsRequest) -> None:
        self._showing = showing
        self._wanted = wanted

    def of(self, batch: Batch) -> list[bytes]:
        """Return the frames of the next batch."""
        shown = batch.shown.get(self._showing)
        if shown is None:
            events, after = self._showing.show(batch.items)
            shown = [(event.type, frame(event)) for event in events], after
            batch.shown[self._showing] = shown
        frames, self._showing = shown
        return [encoded for name, encoded in frames if self._wanted.wants(name)]


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


def _list_parameters(face: Face) -> Sequence[str]:
    return LIST_PARAMETERS if face is SPECIFICATION else SDK_LIST_PARAMETERS


def _listed(face: Face) -> dict[str, Any]:
    """Describe a list of events to the OpenAPI document."""
    return {"description": "The events", "model": face.vocabulary.listed}


def _streamed(face: Face) -> dict[str, Any]:
    """Describe the frames of a face's streams to the OpenAPI document."""
    vocabulary = face.vocabulary
    json_text = {"type": "string", "contentMediaType": "application/json"}
    reference = {"$ref": f"#/components/schemas/{vocabulary.event_schema}"}
    has_id = "On durable events" if face is SPECIFICATION else "On every event"
    event = {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "event": {"enum": vocabulary.event_types},
            "id": {"type": "string", "description": f"{has_id}: a cursor."},
            "data": {**json_text, "contentSchema": reference},
        },
    }
    sign = {
        "type": "object",
        "required": ["event", "data"],
        "properties": {"event": {"enum": ["connected", "disconnecting"]}, "data": json_text},
    }
    described = {
        # Of OpenAPI 3.2; before it, nothing describes a single frame.
        "itemSchema": {"description": "One frame of the stream.", "oneOf": [event, sign]},
        "example": vocabulary.example,
    }
    content = {"text/event-stream": described}
    return {"description": "The events as they occur", "content": content}


def _described(face: Face, names: Sequence[str]) -> dict[str, Any]:
    """Describe the parameters of a route to the OpenAPI document."""
    fields: dict[str, Any] = EventsRequest.model_json_schema()["properties"]
    fields["limit"]["default"] = face.events_limit
    for name in LISTS - {"tags"}:
        fields[name]["items"]["enum"] = face.vocabulary.event_types
    last_event_id = {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "Id of the last event that the reader has seen; ignored if unknown.",
        "schema": {"type": "string"},
    }
    queries = [{"name": name, "in": "query", "schema": fields[name]} for name in names]
    return {"parameters": [id_parameter("session"), *queries, last_event_id]}


def add_routes(router: APIRouter, face: Face) -> None:
    """Add the routes of events to a face."""
    routes = EventRoutes(face)
    at_events, at_sse = "/sessions/{session_id}/events", "/sessions/{session_id}/sse"
    as_list: dict[str, Any] = {
        "responses": {200: _listed(face)},
        "openapi_extra": _described(face, _list_parameters(face)),
    }
    as_stream: dict[str, Any] = {
        "name": "stream_events",
        "response_class": Response,
        "responses": {200: _streamed(face)},
        "openapi_extra": _described(face, STREAM_PARAMETERS),
    }
    if face.streams_at == "events":
        router.get(at_events, **as_stream)(routes.stream_or_list_events)
        router.get(f"{at_events}/list", **as_list)(routes.list_events)
        router.get(at_sse, include_in_schema=False)(refuse_stream)
    else:
        router.get(at_events, **as_list)(routes.list_events)
        router.get(at_sse, **as_stream)(routes.stream_events)
