"""Routes of events on the SDK's face: one path streams them, another lists them.

Source: docs/sdk.md, "Lists of events" and "Events".
"""

from collections.abc import Sequence

from fastapi import Response
from fastapi.params import Depends

from everruns.api.events.description import event_list, event_parameters, event_stream
from everruns.api.events.requests import LIST_PARAMETERS, STREAM_PARAMETERS
from everruns.api.events.routes import EventRoutes
from everruns.api.http.routes import Routes
from everruns.api.routes import channels
from everruns.api.sdk.events import EVERRUNS

LIMIT = 1000
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

_events = EventRoutes(EVERRUNS, SDK_LIST_PARAMETERS, LIMIT)


def _routes(
    tag: str, session: str, *, suffix: str = "", dependencies: Sequence[Depends] = ()
) -> Routes:
    """Declare the routes of events of sessions under a path."""
    routes = Routes(tag)
    routes.add(
        f"GET {session}/sse",
        "read",
        is_stream=True,
        name=f"stream_events{suffix}",
        response_class=Response,
        responses=event_stream(EVERRUNS, "On every event"),
        dependencies=dependencies,
        reads=event_parameters(EVERRUNS, STREAM_PARAMETERS, LIMIT),
    )(_events.stream_events)
    routes.add(
        f"GET {session}/events",
        "read",
        name=f"list_events{suffix}",
        responses=event_list(EVERRUNS),
        dependencies=dependencies,
        reads=event_parameters(EVERRUNS, SDK_LIST_PARAMETERS, LIMIT),
    )(_events.list_events)
    return routes


of_sessions = _routes("events", "/sessions/{session_id}")
of_channels = _routes(
    "channels", channels.SESSION, suffix="_of_channel", dependencies=channels.OWN_SESSION
)
