"""The application: two faces of one API, behind one door, inside one error boundary."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import cache

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from everruns.api.console import add_console
from everruns.api.docs.openapi import build_document
from everruns.api.docs.pages import add_documentation
from everruns.api.http.auth import Authentication
from everruns.api.http.door import Door
from everruns.api.http.errors import ErrorBoundary, answer_error
from everruns.api.http.faces import Face
from everruns.api.http.key_ring import KeyRing
from everruns.api.http.request_ids import RequestIds
from everruns.api.http.request_records import RequestRecords
from everruns.api.http.sse import OpenStreams
from everruns.api.http.unread import UnreadBodies
from everruns.api.routes import health, oauth
from everruns.api.sdk.face import SDK
from everruns.api.v1.face import V1
from everruns.capabilities.base import Capabilities
from everruns.errors import EverrunsError
from everruns.runtime.runtime import Runtime
from everruns.settings import Settings
from everruns.telemetry.meters import Meters

FACES = (V1, SDK)
# Of the process, whoever asks.
ROOT = Face("", [health.routes], is_strict=True)
# Authorization servers add what they like to the addresses that browsers come back to.
OAUTH = Face("", [oauth.routes])


class Application(FastAPI):
    """FastAPI with this server's own OpenAPI document."""

    def openapi(self) -> dict[str, object]:
        """Return the OpenAPI document."""
        if self.openapi_schema is None:
            self.openapi_schema = build_document(self, FACES)
        return self.openapi_schema


def create_app(
    runtime: Runtime,
    settings: Settings,
    capabilities: Capabilities,
    meters: Meters | None = None,
) -> FastAPI:
    """Build the application.

    Args:
        runtime: The product.
        settings: The deployment's settings, such as whether requests need an API key.
        capabilities: All known capabilities.
        meters: Take what is measured of requests and streams.
    """
    meters = meters or Meters()
    requests = RequestRecords(meters, has_lines=settings.log_requests)
    open_streams = OpenStreams()
    keys = KeyRing(runtime.keys, open_streams.keep_only)
    app = Application(
        lifespan=_lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Nobody collects what the framework would trace, and it looks for a collector each time.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        middleware=[
            Middleware(RequestIds, requests),
            Middleware(UnreadBodies),
            Middleware(Door, settings),
            Middleware(ErrorBoundary),
            Middleware(
                Authentication,
                keys=keys,
                is_required=settings.auth == "api_keys",
                docs=settings.docs,
                console=settings.console,
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
    app.state.meters = meters
    app.state.requests = requests
    app.router.routes += _routes()
    if settings.console:
        add_console(app)
    if settings.docs:
        add_documentation(app)
    return app


@cache
def _routes() -> Sequence[BaseRoute]:
    """Return all routes but those of the documentation.

    They find what they need in the state of the app that serves them, so several apps can share
    them. Building them takes a sixth of a second, which adds up in tests, where apps are many.
    """
    return [route for face in (*FACES, ROOT, OAUTH) for route in face.build()]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    keys: KeyRing = app.state.keys
    async with keys.following():
        yield
        end_streams(app)
    requests: RequestRecords = app.state.requests
    requests.settle()


def end_streams(app: FastAPI) -> None:
    """Ask the readers of all streams to reconnect; called when this process is about to stop.

    A server waits for its open responses before it ends an app's lifespan, so call this before
    stopping the server.
    """
    open_streams: OpenStreams = app.state.open_streams
    open_streams.close()
