"""Routes of events on `/v1`: one path streams them or, if JSON is asked for, lists them.

Source: docs/contract.md, "Events".
"""

from fastapi import Request, Response

from everruns.api.events.requests import LIST_PARAMETERS
from everruns.api.events.routes import EventRoutes
from everruns.api.http.routes import Routes
from everruns.api.http.vocabulary import AS_LOGGED, AS_LOGGED_WITH_LIMITS, Vocabulary
from everruns.api.routes import channels
from everruns.errors import RouteNotFound


def _routes_of(vocabulary: Vocabulary) -> EventRoutes:
    return EventRoutes(
        vocabulary,
        AS_LOGGED_WITH_LIMITS,
        LIST_PARAMETERS,
        limit=100,
        ids_are="On durable events",
    )


async def refuse_stream(request: Request) -> Response:
    """Tell a user of the SDK where its streams are."""
    raise RouteNotFound(
        f"There is no route {request.scope['path'][:100]}. Streams of /v1 are at …/events. "
        "The Everruns SDK needs a base URL that ends in /api: EVERRUNS_API_URL=http://host:port/api"
    )


def _add(routes: Routes, events: EventRoutes, session: str, suffix: str = "") -> Routes:
    """Add the routes of events of the sessions under a path."""
    stream = events.stream_or_list_events
    events.add_stream(routes, f"{session}/events", f"stream_events{suffix}", stream)
    events.add_list(routes, f"{session}/events/list", f"list_events{suffix}")
    routes.add(f"GET {session}/sse", "read", is_stream=True, include_in_schema=False)(refuse_stream)
    return routes


of_sessions = _add(Routes("events"), _routes_of(AS_LOGGED), "/sessions/{session_id}")
of_channels = _add(
    Routes("channels", dependencies=channels.OWN_SESSION),
    _routes_of(AS_LOGGED_WITH_LIMITS),
    channels.SESSION,
    "_of_channel",
)
