"""Where people come back from pages of consent, and what authorization servers read of this one.

Whoever comes back shows no credential: the unguessable ``state`` says for whom it is. What is
answered is a small page for people; it repeats nothing of the address.

Source: docs/contract.md, "Authorizations of MCP servers".
"""

from html import escape

from fastapi import Request
from pydantic import SecretStr
from starlette.responses import HTMLResponse, JSONResponse

from everruns.api.http.parameters import runtime_of
from everruns.api.http.routes import Routes
from everruns.domain.base import KIB
from everruns.domain.mcp_authorizations import CALLBACK_PATH, CLIENT_PATH, Homecoming
from everruns.errors import EverrunsError, RouteNotFound
from everruns.runtime.homecomings import welcome

LONGEST = {"state": 128, "code": 4 * KIB, "iss": 2 * KIB, "error": 128}
NO_STORE = {"Cache-Control": "no-store"}
PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1><p>{text}</p></body>
</html>
"""

routes = Routes("oauth")


@routes.add(f"GET {CALLBACK_PATH}", include_in_schema=False)
async def come_back(request: Request) -> HTMLResponse:
    """Take what a person's browser brings back from a page of consent."""
    given = _given(request)
    if given is None:
        return _page(400, "Not connected", "The address is not complete, or too long.")
    # Nothing behind this needs the code, and nothing may log it.
    request.scope["query_string"] = b""
    code = SecretStr(given["code"]) if "code" in given else None
    try:
        home = await welcome(
            runtime_of(request), given["state"], code, given.get("iss"), given.get("error")
        )
    except EverrunsError as failure:
        return _page(503, "Not connected", f"{failure.message} Go back and try again.")
    return _answer(home)


@routes.add(f"GET {CLIENT_PATH}", include_in_schema=False)
async def describe_client(request: Request) -> JSONResponse:
    """Describe this deployment to authorization servers that know clients by their address."""
    url: str | None = request.app.state.settings.browser_url
    if url is None:
        raise RouteNotFound("This server does not know its own address (public_url).")
    # Source: the draft "OAuth Client ID Metadata Document", section 4.
    return JSONResponse(
        {
            "client_id": url + CLIENT_PATH,
            "client_name": "Everruns",
            "redirect_uris": [url + CALLBACK_PATH],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }
    )


def _given(request: Request) -> dict[str, str] | None:
    """Return what came back; ``None`` if it cannot be an answer to anything."""
    pairs = request.query_params.multi_items()
    given = {name: value for name, value in pairs if name in LONGEST}
    is_once = sum(name in LONGEST for name, _ in pairs) == len(given)
    fits = all(len(value) <= LONGEST[name] for name, value in given.items())
    is_answer = "state" in given and ("code" in given) != ("error" in given)
    return given if is_once and fits and is_answer else None


def _answer(home: Homecoming) -> HTMLResponse:
    account = f"your account at {home.server}" if home.end_user else home.server
    match home.outcome:
        case "connected":
            whose = f" for {home.end_user}" if home.end_user else ""
            text = f"Agents can now use {account}{whose}. You can close this window."
            return _page(200, "Connected", text)
        case "declined":
            text = f"Agents cannot use {account}. You can close this window."
            return _page(200, "Not connected", text)
        case "failed":
            text = f"{home.reason} Go back to where you came from and begin again."
            return _page(400, "Not connected", text)
        case "used":
            return _page(
                400, "Already used", "This address was used before. You can close this window."
            )
        case "unknown":
            text = "This address has expired. Go back to where you came from and begin again."
            return _page(400, "Not connected", text)


def _page(status: int, title: str, text: str) -> HTMLResponse:
    content = PAGE.format(title=escape(title), text=escape(text))
    return HTMLResponse(content, status, headers=NO_STORE)
