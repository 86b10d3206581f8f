"""The catalogue of MCP servers, and those of agents and sessions as far as they have secrets."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

from pydantic import SecretStr

from everruns.domain.idempotency import Idempotency
from everruns.domain.mcp_auth import McpAuth
from everruns.domain.mcp_authorizations import Subject
from everruns.domain.mcp_servers import (
    GivenMcpServer,
    InlineMcpServer,
    McpAccount,
    McpServer,
    McpServerInput,
    McpServerPatch,
    McpTested,
    shown,
)
from everruns.domain.secret_forms import MASK
from everruns.errors import (
    Conflict,
    EverrunsError,
    InvalidRequest,
    McpServerNameTaken,
    McpServerNotFound,
    McpServerUnavailable,
)
from everruns.ids import format_time, new_id, now_ms
from everruns.registry.database import Database, receipt_of
from everruns.registry.mcp_headers import McpHeaders
from everruns.registry.mcp_inquiries import McpInquiries
from everruns.registry.mcp_tokens import McpTokens
from everruns.registry.revision import Revision
from everruns.remote import Repeat, remote

AUTHORIZATION = "authorization"


class McpServers:
    """Adds, changes, lists, tests and removes servers.

    Args:
        database: Keeps them.
        revision: Tells session hosts of changes.
        headers: Encrypts secrets.
        tokens: Authorizes what is asked of servers that want OAuth.
        inquiries: Asks servers what they offer.
        programs: The servers of the configuration.
    """

    def __init__(
        self,
        database: Database,
        revision: Revision,
        headers: McpHeaders,
        tokens: McpTokens,
        inquiries: McpInquiries,
        programs: Sequence[McpAccount] = (),
    ) -> None:
        self._database = database
        self._store = database.store
        self._headers = headers
        self._tokens = tokens
        self._revision = revision
        self._inquiries = inquiries
        self._programs = programs
        self._changes = asyncio.Lock()

    @remote(Repeat.YES)
    async def accounts(self) -> list[McpAccount]:
        """Return the active servers with their secrets; only for session hosts.

        Returns:
            Those of the catalogue, then those of the configuration. Of two with one name the last
            counts.

        Raises:
            SecretsUnreadable: Headers were encrypted with another key.
        """
        active = [server for server in await self._catalogue() if server.status == "active"]
        return [*(self._headers.open(server.name, server) for server in active), *self._programs]

    @remote(Repeat.YES)
    async def opened(self, servers: Mapping[str, InlineMcpServer]) -> list[McpAccount]:
        """Return the servers of an agent's or a session's map with their secrets, for hosts alone.

        Raises:
            SecretsUnreadable: Headers were encrypted with another key.
        """
        return [self._headers.open(name, server) for name, server in servers.items()]

    def sealed(
        self, given: Mapping[str, GivenMcpServer], stored: Mapping[str, InlineMcpServer]
    ) -> dict[str, InlineMcpServer]:
        """Return the servers that a request gives an agent or a session, as they are stored.

        Args:
            given: The request's.
            stored: Those that the agent or session had before.

        Raises:
            CredentialsRequired: A header's value is to be kept, and none is stored.
        """
        return {
            name: InlineMcpServer(
                type=server.type,
                url=server.url,
                headers=self._headers.seal(server.headers or {}, server.url, stored.get(name)),
                allowed_tools=server.allowed_tools,
                require_approval=server.require_approval,
            )
            for name, server in given.items()
        }

    @remote(Repeat.YES)
    async def list(self) -> list[McpServer]:
        """Return the servers of the catalogue, newest first, then those of the configuration."""
        return [*await self._catalogue(), *map(shown, self._programs)]

    @remote(Repeat.YES)
    async def get(self, server_id: str) -> McpServer:
        """Return a server.

        Raises:
            McpServerNotFound: There is none with this id.
        """
        if server := _with_id(await self.list(), server_id):
            return server
        raise McpServerNotFound(f"MCP server {server_id} not found")

    @remote(Repeat.KEYED)
    async def create(
        self, wanted: McpServerInput, idempotency: Idempotency | None = None
    ) -> McpServer:
        """Add a server to the catalogue.

        Args:
            wanted: The server.
            idempotency: Gives a retry the answer of the first attempt.

        Raises:
            McpServerNameTaken: Another server has the name.
            CredentialsRequired: A header's value is to be kept, and none is stored.
            IdempotencyKeyReused: The key was used with a different body.
        """
        async with self._changes:
            if answer := await self._database.earlier_answer(idempotency):
                return McpServer.model_validate_json(answer)
            _refuse_taken_name(wanted.name, await self.list())
            auth = self._headers.seal_auth(wanted.auth, None)
            _refuse_two_authorizations(auth, wanted.headers or {})
            now = format_time(now_ms())
            server = McpServer.model_validate(
                {
                    **dict(wanted),
                    "id": new_id("mcpserver"),
                    "headers": self._headers.seal(wanted.headers or {}, wanted.url, None),
                    "auth": auth,
                    "created_at": now,
                    "updated_at": now,
                }
            )
            await self._put(server, idempotency)
            return server

    @remote(Repeat.YES)
    async def update(self, server_id: str, patch: McpServerPatch) -> McpServer:
        """Change a server; running sessions pick up the change at their next turn.

        Raises:
            McpServerNotFound: There is none with this id.
            McpServerNameTaken: The new name is taken.
            CredentialsRequired: Stored headers would go to a new address.
            Conflict: The configuration names it.
        """
        changes = patch.changes()
        async with self._changes:
            before = await self._changeable(server_id)
            others = [server for server in await self.list() if server.id != server_id]
            if "name" in changes:
                _refuse_taken_name(changes["name"], others)
            url = changes.get("url", before.url)
            given = patch.headers or {}
            if "headers" not in changes:
                given = dict.fromkeys(before.headers, SecretStr(MASK))
            changes["headers"] = self._headers.seal(given, url, before)
            if "auth" in changes:
                changes["auth"] = self._headers.seal_auth(patch.auth, before.auth)
            updated = before.model_copy(update={**changes, "updated_at": format_time(now_ms())})
            _refuse_two_authorizations(updated.auth, updated.headers)
            is_other = (updated.url, _identity(updated)) != (before.url, _identity(before))
            await self._put(updated, forget_authorizations=is_other)
            return updated

    @asynccontextmanager
    async def unchanged(self, server: McpServer) -> AsyncGenerator[None]:
        """Keep a server from being changed or removed until the block ends.

        Raises:
            Conflict: It has been changed or removed already.
        """
        async with self._changes:
            if _with_id(await self.list(), server.id) != server:
                raise Conflict(f"MCP server {server.name} was changed meanwhile. Begin again.")
            yield

    @remote(Repeat.KEYED)
    async def delete(self, server_id: str, idempotency: Idempotency | None = None) -> None:
        """Remove a server from the catalogue; agents that use it go on without it.

        Args:
            server_id: The server to remove.
            idempotency: Gives a retry the answer of the first attempt.

        Raises:
            McpServerNotFound: There is none with this id.
            Conflict: The configuration names it.
        """
        async with self._changes:
            is_repeated = idempotency is not None and idempotency.is_repeated
            if is_repeated and _with_id(await self.list(), server_id) is None:
                return
            await self._changeable(server_id)
            await self._database.control.write(self._store.mcp_servers.delete, server_id)
            await self._revision.advance()

    @remote(Repeat.NO, timeout_s=45)
    async def test(self, server_id: str) -> McpTested:
        """Connect to a server and list its tools, or say what is wrong.

        Raises:
            McpServerNotFound: There is none with this id.
            Overloaded: Too many servers are being asked.
        """
        server = await self.get(server_id)
        program = next((each for each in self._programs if each.name == server.name), None)
        if server.is_configured and program is not None:
            return await self._inquiries.test(program)
        account = self._headers.open(server.name, server)
        if server.auth is None:
            return await self._inquiries.test(account)
        return await self._test_authorized(server, server.auth, account)

    async def _test_authorized(
        self, server: McpServer, auth: McpAuth, account: McpAccount
    ) -> McpTested:
        """Test a server as the application itself."""
        try:
            access = await self._tokens.access(server, auth, Subject())
        except EverrunsError as failure:
            return McpTested(ok=False, duration_ms=0, code=failure.code, message=failure.message)
        if access is None:
            return McpTested(
                ok=False,
                duration_ms=0,
                code=McpServerUnavailable.code,
                message=f"MCP server {server.name} wants OAuth, and the application itself is not "
                f"connected to it. POST /v1/mcp-servers/{server.id}/authorizations begins that.",
            )
        token = SecretStr(f"Bearer {access.token.get_secret_value()}")
        headers = {**account.headers, AUTHORIZATION: token}
        return await self._inquiries.test(
            account.model_copy(update={"headers": headers, "acts_as": None})
        )

    async def _catalogue(self) -> Sequence[McpServer]:
        return await self._database.control.read(self._store.mcp_servers.list)

    async def _changeable(self, server_id: str) -> McpServer:
        server = await self.get(server_id)
        if server.is_configured:
            raise Conflict(
                f"MCP server {server.name} is named in the deployment's configuration. Change it "
                f"there (mcp_servers.{server.name})."
            )
        return server

    async def _put(
        self,
        server: McpServer,
        idempotency: Idempotency | None = None,
        *,
        forget_authorizations: bool = False,
    ) -> None:
        receipt = receipt_of(idempotency, server.model_dump_json(), server.id)
        await self._database.control.write(
            self._store.mcp_servers.put,
            server,
            receipt,
            forget_authorizations=forget_authorizations,
        )
        await self._revision.advance()


def _identity(server: McpServer) -> tuple[str | None, ...]:
    """Return what makes authorizations at a server other ones."""
    auth = server.auth
    return (auth.acts_as, auth.client_id, auth.issuer) if auth else ()


def _refuse_two_authorizations(auth: McpAuth | None, headers: Mapping[str, object]) -> None:
    if auth is not None and AUTHORIZATION in headers:
        raise InvalidRequest(
            "auth: a server that wants OAuth takes no header authorization; leave one of them out"
        )


def _refuse_taken_name(name: str, others: Sequence[McpServer]) -> None:
    if any(other.name == name for other in others):
        raise McpServerNameTaken(f"An MCP server named {name!r} already exists. Choose another.")


def _with_id(servers: Sequence[McpServer], server_id: str) -> McpServer | None:
    return next((server for server in servers if server.id == server_id), None)
