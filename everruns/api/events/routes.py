"""Routes of events: one log, streamed or listed.

Source: docs/contract.md, "Events".
"""

from collections.abc import Sequence

from fastapi import Request, Response

from everruns.api.events.description import event_parameters, event_stream
from everruns.api.events.pages import EventPages
from everruns.api.events.requests import STREAM_PARAMETERS, EventsRequest
from everruns.api.http.auth import principal_of
from everruns.api.http.parameters import runtime_of
from everruns.api.http.requests import id_of
from everruns.api.http.routes import Handler, Routes
from everruns.api.http.sse import EventStream, StreamHeaders, frame
from everruns.api.http.vocabulary import Showing, Vocabulary
from everruns.errors import InvalidRequest
from everruns.ids import EventPlace
from everruns.runtime.feed.batch import Batch
from everruns.runtime.feed.cursor import Cursor
from everruns.settings import Settings
from everruns.telemetry.meters import Meters
from everruns.telemetry.metrics import STREAM_RECONNECTS


class EventRoutes:
    """The routes of events on one face.

    Args:
        vocabulary: How the face shows events.
        limited: How it shows them to senders who may not read agents.
        list_parameters: The query parameters that its lists take.
        limit: How many events a list returns by default.
        ids_are: Which events of a stream have an id, e.g. ``On every event``.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        limited: Vocabulary,
        list_parameters: Sequence[str],
        limit: int,
        ids_are: str,
    ) -> None:
        self._vocabulary = vocabulary
        self._limited = limited
        self._ids_are = ids_are
        self._list_parameters = list_parameters
        self._defaults = {"limit": limit}

    def add_list(self, routes: Routes, path: str, name: str) -> None:
        """Add the route that lists a session's events."""
        listed = {200: {"description": "The events", "model": self._vocabulary.listed}}
        reads = event_parameters(self._vocabulary, self._list_parameters, **self._defaults)
        add = routes.add(f"GET {path}", "read", name=name, responses={**listed}, reads=reads)
        add(self.list_events)

    def add_stream(self, routes: Routes, path: str, name: str, handler: Handler) -> None:
        """Add the route that streams a session's events, served by one of these methods."""
        routes.add(
            f"GET {path}",
            "read",
            is_stream=True,
            name=name,
            response_class=Response,
            responses=event_stream(self._vocabulary, self._ids_are),
            reads=event_parameters(self._vocabulary, STREAM_PARAMETERS, **self._defaults),
        )(handler)

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
            await runtime_of(request).sessions.get(session_id)
            return StreamHeaders()
        settings: Settings = request.app.state.settings
        vocabulary = self._seen_by(request)
        if start is not None:
            meters: Meters = request.app.state.meters
            meters.add(STREAM_RECONNECTS)
        cursor = Cursor() if start is None else vocabulary.cursor(start)
        frames = Frames(vocabulary.begin(session_id, start), wanted)
        return EventStream(
            await runtime_of(request).sessions.stream(session_id, cursor),
            frames.of,
            request.app.state.open_streams,
            heartbeat_s=settings.heartbeat_s,
            cycle_s=settings.stream_cycle_s,
        )

    async def _list(
        self, request: Request, session_id: str, wanted: EventsRequest, start: EventPlace | None
    ) -> Response:
        read = runtime_of(request).sessions.events
        vocabulary = self._seen_by(request)
        page = await EventPages(read, vocabulary, session_id, wanted, start).page()
        bodies = b",".join(event.body for event in page)
        return Response(b'{"data":[%b]}' % bodies, media_type="application/json")

    def _read(
        self, request: Request, parameters: Sequence[str]
    ) -> tuple[str, EventsRequest, EventPlace | None]:
        session_id = id_of(request, "session")
        wanted = EventsRequest.of(request, parameters, self._defaults)
        vocabulary = self._seen_by(request)
        for field, names in (("types", wanted.types), ("exclude", wanted.exclude)):
            for name in names:
                if name not in vocabulary.event_types:
                    known = ", ".join(vocabulary.event_types)
                    raise InvalidRequest(
                        f"{field}: {name[:64]!r} is not an event type. Known types: {known}"
                    )
        last_event_id = request.headers.get("last-event-id", "")
        return session_id, wanted, wanted.start(session_id, last_event_id, vocabulary)

    def _seen_by(self, request: Request) -> Vocabulary:
        grant = principal_of(request.scope).grant
        if grant is None or "read_agents" in grant.rights:
            return self._vocabulary
        return self._limited


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
