"""The documentation's pages: Swagger UI from this server's own files, and the OpenAPI document.

Source: docs/contract.md, "Routes": it works with no internet.
"""

from importlib.resources import files

import orjson
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

DOCUMENT_PATH = "/api-doc/openapi.json"
ASSETS = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")
POLICY = (
    b"default-src 'none'; connect-src 'self'; script-src 'self'; "
    b"style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# The door adds these to every answer under the documentation's paths.
PAGE_HEADERS = (
    (b"content-security-policy", POLICY),
    # A page that opens this one in a window cannot reach into it.
    (b"cross-origin-opener-policy", b"same-origin"),
)
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>Everruns API</title>
  <link rel="icon" href="/swagger-ui/favicon.png">
  <link rel="stylesheet" href="/swagger-ui/swagger-ui.css">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="/swagger-ui/swagger-ui-bundle.js"></script>
  <script src="/swagger-ui/start.js"></script>
</body>
</html>
"""
# Without ``validatorUrl`` the page would send the document to a validator on the internet.
START = f"""SwaggerUIBundle({{
  url: "{DOCUMENT_PATH}",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
}});
"""


def is_documentation(path: str) -> bool:
    """Tell whether a path is one of the documentation's; without a console the root leads there."""
    return (
        path == "/"
        or (path.startswith("/swagger-ui") and path[11:12] in ("", "/"))
        or path == DOCUMENT_PATH
    )


async def show_page(_request: Request) -> Response:
    """Answer with the page."""
    return HTMLResponse(PAGE)


async def open_page(_request: Request) -> Response:
    """Redirect to the page."""
    return RedirectResponse("/swagger-ui/")


async def send_start(_request: Request) -> Response:
    """Answer with the script that starts the page."""
    return Response(START, media_type="text/javascript")


async def send_asset(request: Request) -> Response:
    """Answer with one of the page's files."""
    name = request.url.path.rpartition("/")[2]
    return FileResponse(str(files("fastapi_offline") / "static" / name))


async def send_document(request: Request) -> Response:
    """Answer with the OpenAPI document."""
    return Response(orjson.dumps(request.app.openapi()), media_type="application/json")


def add_documentation(app: FastAPI) -> None:
    """Add the documentation's routes."""
    app.router.routes += [
        Route("/", open_page, include_in_schema=False),
        Route("/swagger-ui", open_page, include_in_schema=False),
        Route("/swagger-ui/", show_page, include_in_schema=False),
        Route("/swagger-ui/start.js", send_start, include_in_schema=False),
        *(Route(f"/swagger-ui/{name}", send_asset, include_in_schema=False) for name in ASSETS),
        Route(DOCUMENT_PATH, send_document, include_in_schema=False),
    ]
