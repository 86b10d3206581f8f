"""The console: the page with which people use and watch this server.

Its source is in ``console/``; ``make console`` builds it into ``everruns/console``. The files hold
nothing secret, so they are served without a credential; the page reads its data from the API with
the user's own.

Source: docs/console.md.
"""

import gzip
from functools import lru_cache
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

import everruns
from everruns.errors import RouteNotFound

BUILT = Path(everruns.__file__).parent / "console"
ASSETS = "/assets"
ICON = "/icon.svg"
# Every other path without a route stays a 404 in JSON.
SCREENS = ("sessions", "agents", "providers", "capabilities", "usage", "cluster", "sql", "settings")
# Screens of one session or agent have its id in their path.
DEEPER = ("sessions", "agents")
# A machine's own table may lack these types or differ, and browsers would not run the scripts.
TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    b"connect-src 'self'; font-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# The door adds these to every answer under the console's paths.
PAGE_HEADERS = (
    (b"content-security-policy", POLICY),
    (b"cross-origin-opener-policy", b"same-origin"),
)
NOT_BUILT = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Everruns</title></head>
<body>
  <h1>The console is not built</h1>
  <p>Run <code>make console</code> in the source's folder, then reload this page.
    The API works without it: <a href="/swagger-ui/">its documentation</a>.</p>
</body>
</html>
"""


def is_console(path: str) -> bool:
    """Tell whether a path is one of the console's pages or files."""
    if path in ("/", ICON) or path.startswith(f"{ASSETS}/"):
        return True
    screen, _, deeper = path[1:].partition("/")
    if not deeper:
        return screen in SCREENS and not path.endswith("/")
    return screen in DEEPER and "/" not in deeper


def is_built() -> bool:
    """Tell whether there is a console to serve."""
    return (BUILT / "index.html").is_file()


async def show_page(_request: Request) -> Response:
    """Answer with the page; which screen it shows is in the address."""
    headers = {"cache-control": "no-cache"}
    if not is_built():
        # Not an error status: the proxy in front replaces every error that is not JSON.
        return HTMLResponse(NOT_BUILT, headers=headers)
    return FileResponse(BUILT / "index.html", headers=headers)


async def send_asset(request: Request) -> Response:
    """Answer with a script or style, whose name changes with its content.

    Raises:
        RouteNotFound: No file has this name.
    """
    file = BUILT / ASSETS[1:] / request.path_params["name"]
    if file.suffix not in TYPES or not file.is_file():
        raise RouteNotFound(f"The console has no file {file.name}. Reload its page.")
    headers = {"cache-control": "public, max-age=31536000, immutable", "vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return FileResponse(file, headers=headers, media_type=TYPES[file.suffix])
    headers["content-encoding"] = "gzip"
    return Response(_compressed(file), headers=headers, media_type=TYPES[file.suffix])


@lru_cache(maxsize=128)
def _compressed(file: Path) -> bytes:
    return gzip.compress(file.read_bytes(), mtime=0)


async def send_icon(_request: Request) -> Response:
    """Answer with the icon.

    Raises:
        RouteNotFound: The console is not built.
    """
    file = BUILT / ICON[1:]
    if not file.is_file():
        raise RouteNotFound("The console is not built, so there is no icon.")
    headers = {"cache-control": "max-age=86400"}
    return FileResponse(file, headers=headers, media_type=TYPES[file.suffix])


def add_console(app: FastAPI) -> None:
    """Add the console's routes."""
    screens = [*SCREENS, *(f"{screen}/{{id}}" for screen in DEEPER)]
    pages = ["/", *(f"/{screen}" for screen in screens)]
    app.router.routes += [
        *(Route(path, show_page, include_in_schema=False) for path in pages),
        Route(ICON, send_icon, include_in_schema=False),
        Route(f"{ASSETS}/{{name}}", send_asset, include_in_schema=False),
    ]
