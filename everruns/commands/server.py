"""The HTTP client of the command line.

A command that talks to a server has the three options below and calls ``with_server``:

    def list_agents(server: ServerOption = None, key_file: KeyFileOption = None,
                    data_dir: DataDirOption = None) -> None:
        async def fetch(api: Server) -> Any:
            return await api.call("GET", "/v1/agents")

        agents = with_server(fetch, server, key_file, data_dir)
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from everruns.commands.finding import find_address, find_key
from everruns.commands.refusals import refusal
from everruns.errors import EverrunsError, InvalidRequest, Overloaded, Unavailable
from everruns.settings import LOOPBACK_HOSTS

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 60.0
LARGEST_ANSWER_BYTES = 64 * 1024 * 1024
LARGEST_PAGE = 100
RETRY_S = 0.5

Answer = TypeVar("Answer")
Query = Mapping[str, Any]


def with_server(
    use: "Callable[[Server], Awaitable[Answer]]",
    server: str | None = None,
    key_file: Path | None = None,
    data_dir: Path | None = None,
) -> Answer:
    """Return what a command makes of its server.

    Args:
        use: The command.
        server: The address that was named (``ServerOption``).
        key_file: The file of the key that was named (``KeyFileOption``).
        data_dir: The data directory that was named (``DataDirOption``).

    Raises:
        EverrunsError: The server does not answer, or refuses; the message says what to do.
    """
    address, key = find_address(server, data_dir), find_key(key_file)

    async def call() -> Answer:
        async with Server(address, key) as api:
            return await use(api)

    return asyncio.run(call())


class Server:
    """A server, as a command sees it.

    Every call raises the errors of ``everruns.errors`` with the server's own ``code``: ``NotFound``
    for a 404, ``Unauthorized`` for a 401 and so on; ``Unavailable`` if it does not answer.

    Args:
        address: Its base URL.
        key: The API key or access token to show.
        transport: How to reach it, if not over the network; for tests.

    Attributes:
        address: Its base URL.
    """

    def __init__(
        self,
        address: str,
        key: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.address = address
        self._http = httpx.AsyncClient(
            base_url=address,
            headers={} if key is None else {"Authorization": f"Bearer {key}"},
            timeout=httpx.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            # A proxy could not reach this machine's own addresses.
            trust_env=httpx.URL(address).host not in LOOPBACK_HOSTS,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._http.aclose()

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Query | None = None,
        idempotency_key: str | None = None,
        patience_s: float = 0.0,
    ) -> Any:
        """Make a request and return its JSON answer; ``None`` for an empty one.

        Args:
            method: The HTTP method.
            path: The path, from ``/v1`` on.
            body: JSON to send.
            query: Query parameters; those that are ``None`` are left out.
            idempotency_key: Lets the server recognise a repeated POST.
            patience_s: Seconds for which the request is repeated while the server is unavailable.
                Only for requests that may be: reads, deletions, and what has a key.
        """
        deadline = asyncio.get_running_loop().time() + patience_s
        while True:
            try:
                async with self.stream(
                    method, path, body, query=query, idempotency_key=idempotency_key
                ) as answer:
                    content = await self._read(answer)
            except (Unavailable, Overloaded) as error:
                pause_s = error.retry_after_s or RETRY_S
                if asyncio.get_running_loop().time() + pause_s > deadline:
                    raise
                await asyncio.sleep(pause_s)
            else:
                return self._decode(content) if content else None

    async def list(self, path: str, limit: int, query: Query | None = None) -> dict[str, Any]:
        """Return one page of a list, made of as many of the server's pages as it takes.

        Args:
            path: The list's path.
            limit: Maximum number of items.
            query: Filters.
        """
        page: dict[str, Any] | None = None
        while page is None or len(page["data"]) < min(limit, page["total"]):
            offset = len(page["data"]) if page else 0
            window = {"offset": offset, "limit": min(LARGEST_PAGE, limit - offset)}
            more = await self.call("GET", path, query={**(query or {}), **window})
            if page is None:
                page = {**more, "limit": limit}
            else:
                page["data"] += more["data"]
            if not more["data"]:
                break
        return page

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Query | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        silence_s: float = ANSWER_TIMEOUT_S,
    ) -> AsyncGenerator[httpx.Response]:
        """Make a request whose successful answer is read piece by piece.

        Args:
            method: See ``call``, as for the next four.
            path: See above.
            body: See above.
            query: See above.
            idempotency_key: See above.
            headers: Headers to send.
            silence_s: Seconds without data after which the server counts as lost.
        """
        sent = dict(headers or {})
        if idempotency_key is not None:
            sent["Idempotency-Key"] = idempotency_key
        try:
            request = self._http.build_request(
                method,
                path,
                json=body,
                params={name: value for name, value in (query or {}).items() if value is not None},
                headers=sent,
                timeout=httpx.Timeout(silence_s, connect=CONNECT_TIMEOUT_S),
            )
        except UnicodeEncodeError:
            # Arguments of the command line can be any bytes.
            raise InvalidRequest("What was given is not text in UTF-8.") from None
        try:
            answer = await self._http.send(request, stream=True)
            try:
                if not answer.is_success:
                    raise refusal(self.address, answer, await self._read(answer))
                yield answer
            finally:
                await answer.aclose()
        except httpx.ConnectError as error:
            raise Unavailable(
                f"No server answers at {self.address}. Start one with `everruns serve`, or name "
                "another with --server."
            ) from error
        except httpx.RequestError as error:
            reason = str(error) or type(error).__name__
            raise Unavailable(
                f"The server at {self.address} did not answer to the end ({reason}). Try again."
            ) from error

    async def _read(self, answer: httpx.Response) -> bytes:
        content = bytearray()
        async for piece in answer.aiter_bytes():
            content += piece
            if len(content) > LARGEST_ANSWER_BYTES:
                raise EverrunsError(f"The answer of {self.address} is larger than 64 MB.")
        return bytes(content)

    def _decode(self, content: bytes) -> Any:
        try:
            return json.loads(content)
        except ValueError:
            raise EverrunsError(
                f"{self.address} did not answer with JSON. Is it the address of an Everruns server?"
            ) from None
