"""The application: every route on both faces, behind one door, inside one error boundary."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from types import ModuleType

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from everruns.api.docs.openapi import build_document
from everruns.api.docs.pages import add_documentation
from everruns.api.http.access import GuardedRoute, StrictGuardedRoute
from everruns.api.http.auth import Authentication
from everruns.api.http.door import Door
from everruns.api.http.errors import ErrorBoundary, answer_error
from everruns.api.http.faces import FACES, SPECIFICATION, Face
from everruns.api.http.key_ring import KeyRing
from everruns.api.http.sse import OpenStreams
from everruns.api.http.unread import UnreadBodies
from everruns.api.routes import (
    access_tokens,
    agent_documents,
    agents,
    api_keys,
    budgets,
    conversations,
    events,
    harnesses,
    health,
    messages,
    models,
    providers,
    raw_files,
    sessions,
    tool_results,
    workspace_files,
    workspaces,
)
from everruns.api.routes import capabilities as capability_routes
from everruns.api.sdk import channels
from everruns.api.sdk import not_offered as not_implemented
from everruns.capabilities.base import Capabilities
from everruns.errors import EverrunsError
from everruns.runtime.runtime import Runtime
from everruns.settings import Settings

# Requests are matched in this order, so the busiest routes come first.
ROOMS = (
    messages,
    events,
    conversations,
    sessions,
    tool_results,
    agents,
    agent_documents,
    channels,
    capability_routes,
    providers,
    models,
    harnesses,
    workspace_files,
    raw_files,
    workspaces,
    budgets,
    access_tokens,
    api_keys,
    not_implemented,
)


class Application(FastAPI):
    """FastAPI with this server's own OpenAPI document."""

    def openapi(self) -> dict[str, object]:
        """Return the OpenAPI document."""
        if self.openapi_schema is None:
            self.openapi_schema = build_document(self)
        return self.openapi_schema


def create_app(runtime: Runtime, settings: Settings, capabilities: Capabilities) -> FastAPI:
    """Build the application.

    Args:
        runtime: Sessions and the registry.
        settings: The deployment's settings, such as whether requests need an API key.
        capabilities: All known capabilities.
    """
    open_streams = OpenStreams()
    keys = KeyRing(runtime.registry.keys, open_streams.keep_only)
    app = Application(
        lifespan=_lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Nobody collects what the framework would trace, and it looks for a collector each time.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        middleware=[
            Middleware(UnreadBodies),
            Middleware(Door, settings),
            Middleware(ErrorBoundary),
            Middleware(
                Authentication,
                keys=keys,
                is_required=settings.auth == "api_keys",
                docs=settings.docs,
            ),
        ],
        exception_handlers={
            EverrunsError: answer_error,
            HTTPException: answer_error,
            RequestValidationError: answer_error,
        },
    )
    app.state.runtime = runtime
    app.state.settings = settings
    app.state.capabilities = capabilities
    app.state.open_streams = open_streams
    app.state.keys = keys
    app.router.routes += _routes()
    if settings.docs:
        add_documentation(app)
    return app


@cache
def _routes() -> Sequence[BaseRoute]:
    """Return all routes but those of the documentation.

    They find what they need in the state of the app that serves them, so several apps can share
    them. Building them takes a sixth of a second, which adds up in tests, where apps are many.
    """
    routes: list[BaseRoute] = []
    for face in FACES:
        for room in ROOMS:
            router = _router(room, face, face.prefix)
            room.add_routes(router, face)
            routes += router.routes
    router = _router(health, SPECIFICATION, "")
    health.add_routes(router)
    return [*routes, *router.routes]


def _router(room: ModuleType, face: Face, prefix: str) -> APIRouter:
    return APIRouter(
        prefix=prefix,
        tags=[face.tag(room.__name__.rpartition(".")[2])],
        route_class=StrictGuardedRoute if face.is_strict else GuardedRoute,
        generate_unique_id_function=face.operation_id,
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    keys: KeyRing = app.state.keys
    async with keys.following():
        yield
        end_streams(app)


def end_streams(app: FastAPI) -> None:
    """Ask the readers of all streams to reconnect; called when this process is about to stop.

    A server waits for its open responses before it ends an app's lifespan, so call this before
    stopping the server.
    """
    open_streams: OpenStreams = app.state.open_streams
    open_streams.close()
