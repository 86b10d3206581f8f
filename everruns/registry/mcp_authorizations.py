"""Authorizations at MCP servers: who may still consent, who has, and who does no more.

Refresh tokens and client secrets stay in this process; session hosts get access tokens alone.

Source: docs/contract.md, "Authorizations of MCP servers"; ADR 0053.
"""

from typing import Literal

import structlog
from pydantic import SecretStr

from everruns.domain.idempotency import Idempotency
from everruns.domain.mcp_auth import McpAuth
from everruns.domain.mcp_authorizations import (
    Access,
    AskedBy,
    FinishedConsent,
    McpAuthorization,
    McpConsent,
    Subject,
)
from everruns.domain.mcp_servers import McpServer
from everruns.errors import (
    Conflict,
    McpAuthorizationNotFound,
    McpServerNotFound,
    McpServerUnavailable,
    StoreUnavailable,
)
from everruns.ids import format_time
from everruns.mcp.oauth.client import OAuthClient
from everruns.mcp.oauth.failures import Refused, Returned
from everruns.registry.mcp_servers import McpServers
from everruns.registry.mcp_tokens import PLACE_WAIT_S, McpTokens
from everruns.registry.mcp_vault import Consent, McpVault
from everruns.registry.revision import Revision
from everruns.remote import Repeat, remote
from everruns.storage.mcp_authorizations import StoredAuthorization

CALL_TIMEOUT_S = 60

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class McpAuthorizations:
    """Begins, completes, lists and ends authorizations, and hands out access.

    Args:
        servers: The catalogue.
        vault: Keeps them.
        tokens: Renews them.
        revision: Tells session hosts when access that they know has ended.
        client: Asks authorization servers.
    """

    def __init__(
        self,
        servers: McpServers,
        vault: McpVault,
        tokens: McpTokens,
        revision: Revision,
        client: OAuthClient,
    ) -> None:
        self._servers = servers
        self._vault = vault
        self._tokens = tokens
        self._revision = revision
        self._client = client

    @remote(Repeat.YES)
    async def list(self, server_id: str) -> list[McpAuthorization]:
        """Return the authorizations at a server, newest first.

        Raises:
            McpServerNotFound: There is none with this id.
        """
        server = await self._servers.get(server_id)
        return [standing.shown() for standing in await self._vault.list(server)]

    @remote(Repeat.YES, timeout_s=CALL_TIMEOUT_S)
    async def access(
        self,
        server_id: str,
        subject: Subject,
        rejected: SecretStr | None = None,
        needed: str | None = None,
    ) -> Access | None:
        """Return what authorizes requests to a server now; only for session hosts.

        Args:
            server_id: The server.
            subject: For whom.
            rejected: The token that the server takes no more.
            needed: Scopes that the deployment's own credentials have turned out to need.

        Returns:
            ``None`` if a person has to consent first.

        Raises:
            McpServerNotFound: There is none with this id.
            Conflict: The server does not want OAuth any more.
            McpServerUnavailable: It cannot be renewed now; the message says why.
            Overloaded: Too many authorization servers are being asked.
        """
        server = await self._servers.get(server_id)
        return await self._tokens.access(server, _auth_of(server), subject, rejected, needed)

    @remote(Repeat.YES, timeout_s=CALL_TIMEOUT_S)
    async def begin(
        self,
        server_id: str,
        subject: Subject,
        asked_by: AskedBy | None = None,
        needed: str | None = None,
    ) -> McpConsent:
        """Return an address at which a person can consent, for the subject alone.

        Args:
            server_id: The server.
            subject: For whom agents will act with it.
            asked_by: The call that waits for it.
            needed: Scopes that a call has turned out to need.

        Raises:
            McpServerNotFound: There is none with this id.
            Conflict: The server is not one to which people consent, or this deployment does not
                know its own address.
            McpServerUnavailable: Nobody can be asked; the message says why.
            Overloaded: Too many authorization servers are being asked.
        """
        server = await self._servers.get(server_id)
        auth = _auth_of(server)
        if auth.acts_as != "user":
            raise Conflict(
                f"MCP server {server.name} acts with credentials of this deployment, so nobody "
                "consents to it."
            )
        known = await self._vault.find_client(server)
        if needed is not None:
            needed = await self._with_granted(server, subject, needed)
        async with self._tokens.places.take(PLACE_WAIT_S):
            begun = await self._client.begin(self._tokens.opened(server, auth), known, needed)
        client = begun.pending.client
        async with self._servers.unchanged(server):
            if client.redirect_url is not None and client != known:
                await self._vault.put_client(server, client)
            expires_ms = await self._vault.put_consent(
                server, subject, asked_by, begun.state, begun.pending
            )
        return McpConsent(
            authorization_url=begun.url,
            expires_at=format_time(expires_ms),
            agent_id=subject.agent_id or None,
            end_user=subject.end_user or None,
        )

    async def _with_granted(self, server: McpServer, subject: Subject, needed: str) -> str:
        """Return scopes together with those that were granted before, which would else be lost."""
        kept = await self._vault.find(server, subject)
        granted = kept.standing.scope if kept else None
        return f"{granted} {needed}" if granted else needed

    @remote(Repeat.YES, timeout_s=CALL_TIMEOUT_S)
    async def finish_consent(
        self, state: str, code: SecretStr | None, issuer: str | None, error: str | None
    ) -> FinishedConsent:
        """Take what a person's browser brings back from a page of consent; only once.

        Args:
            state: Which consent it is.
            code: Is exchanged for tokens, if the person has consented.
            issuer: The authorization server, if it names itself.
            error: Its word for why there is no code.
        """
        found = await self._vault.find_consent(state)
        if found is None:
            return FinishedConsent("unknown")
        stored, consent = found
        try:
            server = await self._servers.get(consent.server_id)
        except McpServerNotFound:
            return FinishedConsent("unknown")
        outcome, reason = "used", ""
        if not consent.is_used and await self._vault.use_consent(stored, consent):
            outcome, reason = await self._outcome(server, stored, consent, code, issuer, error)
            log.info("mcp consent", server=server.name, outcome=outcome)
        return FinishedConsent(outcome, server.name, consent.end_user, reason, consent.asked_by)

    async def _outcome(
        self,
        server: McpServer,
        stored: StoredAuthorization,
        consent: Consent,
        code: SecretStr | None,
        issuer: str | None,
        error: str | None,
    ) -> tuple[Literal["connected", "declined", "failed"], str]:
        """Return what comes of a consent that nobody has used before, and why if it failed."""
        try:
            pending = self._vault.pending(server, stored)
            if code is None:
                await self._client.check_issuer(server.name, pending, issuer)
                if error == "access_denied":
                    return "declined", ""
                return "failed", "The authorization server answered with an error."
            returned = Returned(code.get_secret_value(), issuer)
            granted = await self._client.finish(server.name, pending, returned)
            async with self._servers.unchanged(server):
                await self._vault.put(self._vault.new(server, consent.subject, granted))
            # Hosts may know the access of an account that was connected before.
            await self._revision.advance()
        except (Conflict, McpServerUnavailable, StoreUnavailable) as failure:
            return "failed", failure.message
        except Refused as refused:
            if refused.code != "invalid_grant":
                await self._vault.forget_client(server)
            return "failed", f"The authorization server refused the answer ({refused.code})."
        return "connected", ""

    @remote(Repeat.KEYED)
    async def delete(
        self, server_id: str, authorization_id: str, idempotency: Idempotency | None = None
    ) -> None:
        """End an authorization: its tokens are deleted here, and agents have to ask again.

        Args:
            server_id: The server.
            authorization_id: The authorization.
            idempotency: Gives a retry the answer of the first attempt.

        Raises:
            McpServerNotFound: There is no server with this id.
            McpAuthorizationNotFound: It has no authorization with this id.
        """
        server = await self._servers.get(server_id)
        known = {standing.id for standing in await self._vault.list(server)}
        if authorization_id not in known:
            if idempotency is not None and idempotency.is_repeated:
                return
            raise McpAuthorizationNotFound(f"Authorization {authorization_id} not found")
        await self._vault.delete(authorization_id)
        await self._revision.advance()


def _auth_of(server: McpServer) -> McpAuth:
    """Return how a server is authorized.

    Raises:
        Conflict: Not by OAuth.
    """
    if server.auth is None:
        raise Conflict(f"MCP server {server.name} does not use OAuth. Set auth if it wants it.")
    return server.auth
