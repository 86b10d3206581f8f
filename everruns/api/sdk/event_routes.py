"""Routes of events on the SDK's face: one path streams them, another lists them.

Source: docs/sdk.md, "Lists of events" and "Events".
"""

from everruns.api.events.requests import LIST_PARAMETERS
from everruns.api.events.routes import EventRoutes
from everruns.api.http.routes import Routes
from everruns.api.routes import channels
from everruns.api.sdk.events import EVERRUNS

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

_events = EventRoutes(EVERRUNS, EVERRUNS, SDK_LIST_PARAMETERS, limit=1000, ids_are="On every event")


def _add(routes: Routes, session: str, suffix: str = "") -> Routes:
    """Add the routes of events of the sessions under a path."""
    stream = _events.stream_events
    _events.add_stream(routes, f"{session}/sse", f"stream_events{suffix}", stream)
    _events.add_list(routes, f"{session}/events", f"list_events{suffix}")
    return routes


of_sessions = _add(Routes("events"), "/sessions/{session_id}")
of_channels = _add(
    Routes("channels", dependencies=channels.OWN_SESSION), channels.SESSION, "_of_channel"
)
