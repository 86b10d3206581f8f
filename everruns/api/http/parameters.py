"""Parameters of routes besides bodies: ids, pages and the app's own parts."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from pydantic import BeforeValidator, PlainValidator, WithJsonSchema

from everruns.api.http.key_ring import KeyRing
from everruns.capabilities.base import Capabilities
from everruns.domain.forms import id_form
from everruns.runtime.runtime import Runtime

MAX_OFFSET = 10**9
# Of lists, unless a face has other limits.
DEFAULT_LIMIT = 20
MAX_LIMIT = 100

AgentId = Annotated[str, Path(pattern=id_form("agent"), description="Id of an agent.")]
SessionId = Annotated[str, Path(pattern=id_form("session"), description="Id of a session.")]
ProviderId = Annotated[str, Path(pattern=id_form("provider"), description="Id of a provider.")]
McpServerId = Annotated[str, Path(pattern=id_form("mcpserver"), description="Id of an MCP server.")]
McpAuthorizationId = Annotated[
    str, Path(pattern=id_form("mcpauthorization"), description="Id of an authorization.")
]
HarnessId = Annotated[str, Path(pattern=id_form("harness"), description="Id of a harness.")]
WorkspaceId = Annotated[str, Path(pattern=id_form("workspace"), description="Id of a workspace.")]
KeyId = Annotated[str, Path(pattern=id_form("key"), description="Id of an API key.")]
BudgetId = Annotated[str, Path(pattern=id_form("budget"), description="Id of a budget.")]

Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET, description="Number of items to skip.")]
Search = Annotated[
    str | None,
    Query(max_length=256, description="Only items that contain this text, ignoring case."),
]


def limit_parameter(most: int) -> Any:
    """Return the query parameter that says how many items a list returns, up to ``most``."""
    return Query(ge=1, le=most, description="Maximum number of items to return.")


Limit = Annotated[int, limit_parameter(MAX_LIMIT)]
"""How many items a list returns; each face puts its own limits in place of these."""


def _only_truth(value: Any) -> Any:
    if value not in {"true", "false"}:
        raise ValueError("must be true or false")
    return value


Truth = Annotated[bool, BeforeValidator(_only_truth)]
"""True or false in a query, without the other words that pydantic accepts for them."""


def _milliseconds(text: Any) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("must be an RFC 3339 time, e.g. 2026-01-31T10:00:00.000Z")
    return round(moment.timestamp() * 1000)


Moment = Annotated[
    int,
    PlainValidator(_milliseconds),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A time of RFC 3339 as milliseconds since the epoch."""


def runtime_of(request: Request) -> Runtime:
    """Return the app's runtime."""
    return request.app.state.runtime


async def _runtime(request: Request) -> Runtime:
    return runtime_of(request)


async def _capabilities(request: Request) -> Capabilities:
    return request.app.state.capabilities


async def _keys(request: Request) -> KeyRing:
    return request.app.state.keys


TheRuntime = Annotated[Runtime, Depends(_runtime)]
TheKeys = Annotated[KeyRing, Depends(_keys)]
TheCapabilities = Annotated[Capabilities, Depends(_capabilities)]
