"""Routes of events on `/v1`: one path streams them or, if JSON is asked for, lists them.

Source: docs/contract.md, "Events".
"""

from collections.abc import Sequence

from fastapi import Request, Response
from fastapi.params import Depends

from everruns.api.events.description import event_list, event_parameters, event_stream
from everruns.api.events.requests import LIST_PARAMETERS, STREAM_PARAMETERS
from everruns.api.events.routes import EventRoutes
from everruns.api.http.routes import Routes
from everruns.api.http.vocabulary import AS_LOGGED
from everruns.api.routes import channels
from everruns.errors import RouteNotFound

LIMIT = 100

_events = EventRoutes(AS_LOGGED, LIST_PARAMETERS, LIMIT)


async def refuse_stream(request: Request) -> Response:
    """Tell a user of the SDK where its streams are."""
    raise RouteNotFound(
        f"There is no route {request.scope['path'][:100]}. Streams of /v1 are at …/events. "
        "The Everruns SDK needs a base URL that ends in /api: EVERRUNS_API_URL=http://host:port/api"
    )


def _routes(
    tag: str, session: str, *, suffix: str = "", dependencies: Sequence[Depends] = ()
) -> Routes:
    """Declare the routes of events of sessions under a path."""
    routes = Routes(tag)
    routes.add(
        f"GET {session}/events",
        "read",
        is_stream=True,
        name=f"stream_events{suffix}",
        response_class=Response,
        responses=event_stream(AS_LOGGED, "On durable events"),
        dependencies=dependencies,
        reads=event_parameters(AS_LOGGED, STREAM_PARAMETERS, LIMIT),
    )(_events.stream_or_list_events)
    routes.add(
        f"GET {session}/events/list",
        "read",
        name=f"list_events{suffix}",
        responses=event_list(AS_LOGGED),
        dependencies=dependencies,
        reads=event_parameters(AS_LOGGED, LIST_PARAMETERS, LIMIT),
    )(_events.list_events)
    routes.add(
        f"GET {session}/sse",
        "read",
        is_stream=True,
        dependencies=dependencies,
        include_in_schema=False,
    )(refuse_stream)
    return routes


of_sessions = _routes("events", "/sessions/{session_id}")
of_channels = _routes(
    "channels", channels.SESSION, suffix="_of_channel", dependencies=channels.OWN_SESSION
)
