"""An MCP server that wants OAuth, together with its authorization server."""

import asyncio
import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.mcp_server import MODERN, Exchange, ScriptedServer, tool

SERVICE = "robot"
SERVICE_SECRET = "service-secret-000001"


@dataclass
class Request:
    """One request to the authorization server."""

    path: str
    query: dict[str, str]
    form: dict[str, str]
    headers: dict[str, str]


@dataclass
class Grant:
    """What a person, or the deployment, was granted."""

    account: str
    scope: str
    tokens: list[str] = field(default_factory=list)
    is_revoked: bool = False


class OAuthServer(ScriptedServer):
    """Says in its tool ``act`` whose account is used; refresh tokens are taken once.

    Args:
        life_s: Seconds that an access token lives.
        lists_for_all: Whether its tools can be listed without a token.

    Attributes:
        account: Who is logged in at the authorization server, and consents to everything.
        answer: What the authorization server adds to the address that people come back to.
        needed: The scope without which a call is refused.
        failing: Whether the token endpoint fails.
        asked_for: The requests to the authorization server.
        secrets: All tokens and codes that were ever issued.
    """

    def __init__(self, life_s: int = 3600, lists_for_all: bool = False) -> None:
        super().__init__(self._act, [tool("act")], MODERN)
        self.life_s = life_s
        self.lists_for_all = lists_for_all
        self.account = "ada@work"
        self.answer: dict[str, str] = {}
        self.needed: str | None = None
        self.failing = False
        self.registers = True
        self.asked_for: list[Request] = []
        self.secrets: list[str] = []
        self.clients: dict[str, str | None] = {SERVICE: SERVICE_SECRET}
        self._codes: dict[str, tuple[dict[str, str], Grant]] = {}
        self._access: dict[str, Grant] = {}
        self._refresh: dict[str, Grant] = {}
        self._used: dict[str, Grant] = {}

    @property
    def issuer(self) -> str:
        return self.url.removesuffix("/mcp")

    def requests(self, path: str) -> list[Request]:
        return [request for request in self.asked_for if request.path == path]

    def expire(self) -> None:
        """Let all access tokens expire, earlier than they were to."""
        self._access.clear()

    def revoke(self) -> None:
        """End everything that was granted."""
        self._access.clear()
        for grant in [*self._refresh.values()]:
            grant.is_revoked = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode("latin-1").strip().split("\r\n")
                headers = {name.lower(): value for name, value in (x.split(": ", 1) for x in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                verb, target, _ = first.split()
                parts = urlsplit(target)
                if parts.path == "/mcp":
                    await self._serve_mcp(verb, headers, body, writer)
                else:
                    query = dict(parse_qsl(parts.query))
                    await self._serve_oauth(parts.path, query, headers, body, writer)
                if writer.is_closing():
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    # The MCP server

    async def _serve_mcp(
        self, verb: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter
    ) -> None:
        message = json.loads(body) if body else {}
        exchange = Exchange(self, headers, message, writer)
        self.seen.append(exchange)
        token = headers.get("authorization", "").removeprefix("Bearer ")
        grant = self._access.get(token)
        metadata = f'resource_metadata="{self.issuer}/.well-known/oauth-protected-resource/mcp"'
        is_open = self.lists_for_all and exchange.method != "tools/call"
        if (grant is None or grant.is_revoked) and not is_open:
            challenge = f'Bearer error="invalid_token", {metadata}'
            await exchange.raw(b"", 401, www_authenticate=challenge)
            return
        lacks = grant and self.needed and self.needed not in grant.scope.split()
        if lacks and exchange.method == "tools/call":
            challenge = f'Bearer error="insufficient_scope", scope="{self.needed}", {metadata}'
            await exchange.raw(b"", 403, www_authenticate=challenge)
            return
        await self._answer(verb, exchange)

    async def _act(self, exchange: Exchange) -> None:
        token = exchange.headers["authorization"].removeprefix("Bearer ")
        await exchange.text(f"{self._access[token].account} showed {token}")

    # The authorization server

    async def _serve_oauth(
        self,
        path: str,
        query: dict[str, str],
        headers: dict[str, str],
        body: bytes,
        writer: asyncio.StreamWriter,
    ) -> None:
        is_form = "form" in headers.get("content-type", "")
        form = dict(parse_qsl(body.decode())) if is_form else {}
        request = Request(path, query, form, headers)
        self.asked_for.append(request)
        exchange = Exchange(self, headers, {}, writer)
        match path:
            case "/.well-known/oauth-protected-resource/mcp":
                await exchange.json({"resource": self.url, "authorization_servers": [self.issuer]})
            case "/.well-known/oauth-authorization-server":
                await exchange.json(self._metadata())
            case "/register":
                client = json.loads(body)
                client_id = f"client-{len(self.clients)}"
                self.clients[client_id] = None
                registered = {**client, "client_id": client_id}
                await exchange.json(
                    {**registered, "token_endpoint_auth_method": "none"}, status=201
                )
            case "/authorize":
                await exchange.raw(b"", 302, location=self._consented(query))
            case "/token" if not self.failing:
                status, answer = self._issued(request)
                await exchange.json(answer, status)
            case _:
                await exchange.raw(b"", 503 if path == "/token" else 404)

    def _metadata(self) -> dict[str, Any]:
        endpoints = {"authorization": "authorize", "token": "token"}
        if self.registers:
            endpoints["registration"] = "register"
        return {
            "issuer": self.issuer,
            **{f"{name}_endpoint": f"{self.issuer}/{path}" for name, path in endpoints.items()},
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "scopes_supported": ["act"],
        }

    def _consented(self, query: dict[str, str]) -> str:
        assert query["client_id"] in self.clients
        code = self._secret()
        self._codes[code] = (query, Grant(self.account, query.get("scope", "")))
        given = {"state": query["state"], "iss": self.issuer, "code": code, **self.answer}
        if "error" in given:
            del given["code"]
        return f"{query['redirect_uri']}?{urlencode(given)}"

    def _issued(self, request: Request) -> tuple[int, dict[str, Any]]:
        form = request.form
        match form["grant_type"]:
            case "authorization_code":
                query, grant = self._codes.pop(form["code"], ({}, Grant("", "")))
                digest = sha256(form["code_verifier"].encode()).digest()
                challenge = urlsafe_b64encode(digest).decode().rstrip("=")
                asked = (query.get("code_challenge"), query.get("redirect_uri"))
                if asked != (challenge, form["redirect_uri"]):
                    return 400, {"error": "invalid_grant"}
            case "refresh_token":
                token = form["refresh_token"]
                if again := self._used.get(token):
                    # As RFC 9700 asks for: one who comes twice may be a thief.
                    again.is_revoked = True
                grant = self._refresh.pop(token, Grant("", "", is_revoked=True))
                self._used[token] = grant
            case _:
                if "authorization" not in request.headers:
                    return 401, {"error": "invalid_client"}
                grant = Grant(SERVICE, form.get("scope", ""))
        if grant.is_revoked or not grant.account:
            return 400, {"error": "invalid_grant"}
        access, refresh = self._secret(), self._secret()
        self._access[access] = grant
        self._refresh[refresh] = grant
        return 200, {
            "access_token": access,
            "token_type": "bearer",
            "expires_in": self.life_s,
            "refresh_token": refresh,
        }

    def _secret(self) -> str:
        secret = token_urlsafe(24)
        self.secrets.append(secret)
        return secret
