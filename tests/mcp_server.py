"""An MCP server that does what a test tells it, down to the bytes."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from everruns.domain.mcp_servers import McpAccount

MODERN = "2026-07-28"
SESSIONS = "2025-06-18"

Behaviour = Callable[["Exchange"], Awaitable[None]]


def tool(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}, **fields}


@dataclass
class Exchange:
    """One request, and the ways to answer it."""

    server: "ScriptedServer"
    headers: dict[str, str]
    message: dict[str, Any]
    writer: asyncio.StreamWriter

    @property
    def method(self) -> str:
        return self.message.get("method", "")

    @property
    def arguments(self) -> dict[str, Any]:
        return self.message["params"].get("arguments") or {}

    async def result(self, **result: Any) -> None:
        if self.server.revision == MODERN:
            result.setdefault("resultType", "complete")
        await self.json({"jsonrpc": "2.0", "id": self.message["id"], "result": result})

    async def text(self, text: str) -> None:
        await self.result(content=[{"type": "text", "text": text}])

    async def error(self, message: str, code: int = -32600, status: int = 200) -> None:
        error = {"code": code, "message": message}
        await self.json({"jsonrpc": "2.0", "id": self.message.get("id"), "error": error}, status)

    async def json(self, body: Any, status: int = 200, **headers: str) -> None:
        await self.raw(
            json.dumps(body).encode(), status, content_type="application/json", **headers
        )

    async def raw(
        self, body: bytes, status: int = 200, length: int | None = None, **headers: str
    ) -> None:
        length = len(body) if length is None else length
        await self.head(status, content_length=str(length), **headers)
        self.writer.write(body)
        await self.writer.drain()

    async def head(self, status: int = 200, **headers: str) -> None:
        lines = [f"HTTP/1.1 {status} Said"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())
        await self.writer.drain()

    async def stream(self) -> None:
        """Begin an answer of events that ends with the connection."""
        await self.head(content_type="text/event-stream", connection="close")

    async def event(self, message: dict[str, Any]) -> None:
        self.writer.write(f"data: {json.dumps({'jsonrpc': '2.0', **message})}\n\n".encode())
        await self.writer.drain()

    async def progress(self, done: float) -> None:
        token = self.message["params"]["_meta"]["progressToken"]
        params = {"progressToken": token, "progress": done}
        await self.event({"method": "notifications/progress", "params": params})

    async def hang(self) -> None:
        await self.server.stopped.wait()

    def close(self) -> None:
        self.writer.close()


class ScriptedServer:
    """A server over streamable HTTP.

    Args:
        on_call: What happens when a tool is called.
        tools: What it lists.
        revision: What it speaks.
    """

    def __init__(
        self,
        on_call: Behaviour | None = None,
        tools: list[Any] | None = None,
        revision: str = SESSIONS,
    ) -> None:
        self.behaviours: dict[str, Behaviour] = {
            "server/discover": self._discover,
            "initialize": self._initialize,
            "tools/list": self._list,
            "tools/call": on_call or (lambda exchange: exchange.text("done")),
        }
        self.tools = [tool("act")] if tools is None else tools
        self.revision = revision
        self.revision_of_sessions = SESSIONS
        self.seen: list[Exchange] = []
        self.stopped = asyncio.Event()
        self.url = ""
        self._sessions: set[str] = set()
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> "ScriptedServer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**24)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/mcp"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stopped.set()
        self._server.close()

    def account(self, name: str = "shop", **fields: Any) -> McpAccount:
        return McpAccount.model_validate({"name": name, "url": self.url, **fields})

    def restart(self) -> None:
        """Forget every session, as a server does that keeps them in memory."""
        self._sessions.clear()

    def asked(self, method: str) -> list[Exchange]:
        return [exchange for exchange in self.seen if exchange.method == method]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode("latin-1").strip().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in lines)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                message = json.loads(body) if body else {}
                exchange = Exchange(self, headers, message, writer)
                self.seen.append(exchange)
                await self._answer(first.split()[0], exchange)
                if writer.is_closing():
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, verb: str, exchange: Exchange) -> None:
        session = exchange.headers.get("mcp-session-id")
        if verb != "POST":
            await exchange.raw(b"", 405)
        elif session and session not in self._sessions:
            await exchange.error("Session not found", status=404)
        elif not session and self._needs_session(exchange.method):
            await exchange.error("Bad Request: Missing session ID", status=400)
        elif behaviour := self.behaviours.get(exchange.method):
            await behaviour(exchange)
        elif "id" in exchange.message and exchange.method:
            await exchange.error("no such method", -32601)
        else:
            await exchange.raw(b"", 202)

    def _needs_session(self, method: str) -> bool:
        return self.revision == SESSIONS and method not in {"initialize", "server/discover"}

    async def _discover(self, exchange: Exchange) -> None:
        if self.revision == SESSIONS:
            await exchange.error("no such method", -32601)
        else:
            await exchange.result(
                supportedVersions=[MODERN],
                capabilities={"tools": {}},
                resultType="complete",
                ttlMs=0,
                cacheScope="private",
            )

    async def _initialize(self, exchange: Exchange) -> None:
        session = f"session-{next(self._numbers)}"
        self._sessions.add(session)
        result = {
            "protocolVersion": self.revision_of_sessions,
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "scripted", "version": "1"},
        }
        body = {"jsonrpc": "2.0", "id": exchange.message["id"], "result": result}
        await exchange.json(body, mcp_session_id=session)

    async def _list(self, exchange: Exchange) -> None:
        hints = {"ttlMs": 0, "cacheScope": "private"} if self.revision == MODERN else {}
        await exchange.result(tools=self.tools, **hints)
