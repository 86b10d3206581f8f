"""A process's connections to servers, shared by the sessions whose credentials are the same."""

import asyncio
import importlib
from functools import partial
from hashlib import sha256
from types import ModuleType
from typing import TYPE_CHECKING, Any

import orjson

from everruns.domain.mcp_authorizations import Subject
from everruns.domain.mcp_servers import McpAccount
from everruns.mcp.authorization import Accesses, Authorizations
from everruns.mcp.call import Call, Task, TaskRequest
from everruns.mcp.failures import Busy, NotDelivered, OutcomeUnknown, TimedOut
from everruns.mcp.limits import Limits
from everruns.mcp.offer import Listing

if TYPE_CHECKING:
    from mcp_types import CallToolResult

    from everruns.mcp.connection import Connection
    from everruns.mcp.link import Elicit, Verdict

MAX_VERDICTS = 1000
APPLICATION = Subject()
_MODULE = "everruns.mcp.connection"


class Connections:
    """Connections by server and credentials, opened when they are needed.

    Args:
        limits: Bounds.
        elicit: Answers what servers ask in the middle of a call, in place of those who call.
        authorizations: Hands out access to servers that want OAuth.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        elicit: "Elicit | None" = None,
        authorizations: Authorizations | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._elicit = elicit
        self._accesses = Accesses(authorizations)
        self._module: ModuleType | None = None
        self._open: dict[str, Connection] = {}
        self._closing: set[Connection] = set()
        self._verdicts: dict[str, Verdict] = {}
        # The servers whose questions belong to no known call; see ``OpenCalls``.
        self._unrelated: set[str] = set()

    async def listing(
        self, account: McpAccount, allow_private: bool, subject: Subject = APPLICATION
    ) -> Listing:
        """Return what a server offers; a connection that turns out to be lost is opened again.

        Raises:
            NotAuthorized: A person has to consent first.
            McpFailure: The server cannot be used; the message says why.
        """
        connection = await self._connection(account, allow_private, subject)
        try:
            return await connection.listing(account.name)
        except (NotDelivered, OutcomeUnknown):
            connection = await self._connection(account, allow_private, subject)
            return await connection.listing(account.name)

    async def call(
        self,
        account: McpAccount,
        call: Call,
        *,
        repeatable: bool,
        allow_private: bool,
        subject: Subject = APPLICATION,
    ) -> "CallToolResult | Task":
        """Call a tool, and perhaps get a task in place of its result.

        The call is sent at most once unless it is repeatable or the server did not act on it. One
        that has taken too long is not repeated.

        Args:
            account: The server.
            call: The call.
            repeatable: Whether the call may run twice.
            allow_private: Whether loopback and private networks are allowed.
            subject: For whom, where servers tell users apart.

        Raises:
            NotAuthorized: A person has to consent first.
            McpFailure: The server refused, or failed; the message says what is known.
            InputRequired: The server wants answers from a person first.
        """
        open_one = partial(self._connection, account, allow_private, subject, call.asker)
        connection = await open_one()
        try:
            return await connection.call(call, account.name)
        except (NotDelivered, OutcomeUnknown) as failure:
            is_unknown = isinstance(failure, OutcomeUnknown)
            if isinstance(failure, TimedOut) or (is_unknown and not repeatable):
                raise
        return await (await open_one()).call(call, account.name)

    async def task(
        self,
        account: McpAccount,
        request: TaskRequest,
        *,
        allow_private: bool,
        subject: Subject = APPLICATION,
    ) -> Task | None:
        """Send a request about a task, again if it was not delivered; return how the task stands.

        Args:
            account: The server.
            request: The request.
            allow_private: Whether loopback and private networks are allowed.
            subject: For whom, where servers tell users apart.

        Returns:
            The task, if that was asked, otherwise ``None``.

        Raises:
            NotAuthorized: A person has to consent first.
            McpFailure: The server cannot be asked, or refuses.
        """
        open_one = partial(self._connection, account, allow_private, subject, request.asker)
        connection = await open_one()
        try:
            return await connection.task(request, account.name)
        except NotDelivered:
            connection = await open_one()
        return await connection.task(request, account.name)

    def forget_access(self) -> None:
        """Forget access that may have ended."""
        self._accesses.forget()

    async def close(self) -> None:
        """Close all connections."""
        everything = [*self._open.values(), *self._closing]
        await asyncio.gather(*(connection.close() for connection in everything))

    async def _connection(
        self, account: McpAccount, allow_private: bool, subject: Subject, asker: str = ""
    ) -> "Connection":
        if self._module is None:
            # In a thread, because it takes a second, and the loop serves all sessions.
            self._module = await asyncio.to_thread(importlib.import_module, _MODULE)
        obtain = partial(self._accesses.of, account, subject) if account.acts_as else None
        access = await obtain() if obtain else None
        server = key = _key(account, allow_private, access.grant_id if access else None)
        is_shared = not asker or server not in self._unrelated
        if not is_shared:
            key = f"{server} {asker}"
        found = self._open.get(key)
        if found is None:
            self._make_room()
            found = self._module.Connection(
                account,
                allow_private,
                self.limits,
                verdict=self._verdicts.get(key) or self._verdicts.get(server),
                elicit=self._elicit,
                obtain=obtain,
                ended=partial(self._forget, key),
                unrelated=partial(self._unrelated.add, server),
                is_shared=is_shared,
            )
            self._open[key] = found
        return found

    def _make_room(self) -> None:
        if len(self._open) < self.limits.connections:
            return
        unused = [connection for connection in self._open.values() if not connection.is_busy]
        if not unused:
            raise Busy(
                f"All {self.limits.connections} connections to MCP servers are in use. Try again "
                "later."
            )
        min(unused, key=lambda connection: connection.last_used).retire()

    def _forget(self, key: str, connection: "Connection") -> None:
        self._closing.add(connection)
        connection.closed.add_done_callback(lambda _: self._closing.discard(connection))
        if self._open.get(key) is connection:
            del self._open[key]
        self._verdicts.pop(key, None)
        if connection.verdict is not None:
            self._verdicts[key] = connection.verdict
        while len(self._unrelated) > MAX_VERDICTS:
            self._unrelated.pop()
        while len(self._verdicts) > MAX_VERDICTS:
            del self._verdicts[next(iter(self._verdicts))]


def _key(account: McpAccount, allow_private: bool, authorized: str | None) -> str:
    """Return what is the same for all who may share a connection; it reveals no secret."""
    parts: list[Any] = [
        account.type,
        account.url,
        account.command,
        {name.lower(): value.get_secret_value() for name, value in account.headers.items()},
        {name: value.get_secret_value() for name, value in account.environment.items()},
        allow_private,
        authorized,
    ]
    return sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()
