"""Parameters of routes besides bodies: ids, pages and the app's own parts."""

import inspect
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from pydantic import BeforeValidator

from everruns.api.http.faces import SPECIFICATION, Face
from everruns.api.http.key_ring import KeyRing
from everruns.capabilities.base import Capabilities
from everruns.domain.forms import id_form
from everruns.runtime.runtime import Runtime

MAX_OFFSET = 10**9
DEFAULT_LIMIT = SPECIFICATION.default_limit

AgentId = Annotated[str, Path(pattern=id_form("agent"), description="Id of an agent.")]
SessionId = Annotated[str, Path(pattern=id_form("session"), description="Id of a session.")]
ProviderId = Annotated[str, Path(pattern=id_form("provider"), description="Id of a provider.")]
HarnessId = Annotated[str, Path(pattern=id_form("harness"), description="Id of a harness.")]
WorkspaceId = Annotated[str, Path(pattern=id_form("workspace"), description="Id of a workspace.")]
KeyId = Annotated[str, Path(pattern=id_form("key"), description="Id of an API key.")]
BudgetId = Annotated[str, Path(pattern=id_form("budget"), description="Id of a budget.")]

Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET, description="Number of items to skip.")]
Limit = Annotated[
    int, Query(ge=1, le=SPECIFICATION.max_limit, description="Maximum number of items to return.")
]
Search = Annotated[
    str | None,
    Query(max_length=256, description="Only items that contain this text, ignoring case."),
]


def _only_truth(value: Any) -> Any:
    if value not in {"true", "false"}:
        raise ValueError("must be true or false")
    return value


Truth = Annotated[bool, BeforeValidator(_only_truth)]
"""True or false in a query, without the other words that pydantic accepts for them."""


def runtime_of(request: Request) -> Runtime:
    """Return the app's runtime."""
    return request.app.state.runtime


async def _runtime(request: Request) -> Runtime:
    return runtime_of(request)


async def _capabilities(request: Request) -> Capabilities:
    return request.app.state.capabilities


async def _keys(request: Request) -> KeyRing:
    return request.app.state.keys


def listing(face: Face, route: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return a list route with the face's limits for its parameter ``limit``."""

    @wraps(route)
    async def listed(**parameters: Any) -> Any:
        return await route(**parameters)

    signature = inspect.signature(route)
    bounds = Query(ge=1, le=face.max_limit, description="Maximum number of items to return.")
    limit = signature.parameters["limit"].replace(
        annotation=Annotated[int, bounds], default=face.default_limit
    )
    parameters = {**signature.parameters, "limit": limit}.values()
    # The framework reads a route's parameters from its signature.
    listed.__dict__["__signature__"] = signature.replace(parameters=list(parameters))
    return listed


TheRuntime = Annotated[Runtime, Depends(_runtime)]
TheKeys = Annotated[KeyRing, Depends(_keys)]
TheCapabilities = Annotated[Capabilities, Depends(_capabilities)]
