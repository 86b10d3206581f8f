"""Access tokens for MCP servers, and who renews them.

Many authorization servers take a refresh token only once, and end the authorization if it comes
twice. So one process at a time renews: it claims the authorization in the database first, for
longer than a renewal can take.

Source: docs/contract.md, "Authorizations of MCP servers"; ADR 0053.
"""

import asyncio
from weakref import WeakValueDictionary

import structlog
from pydantic import SecretStr

from everruns.domain.mcp_auth import McpAuth
from everruns.domain.mcp_authorizations import Access, Subject
from everruns.domain.mcp_servers import McpServer
from everruns.errors import EverrunsError, McpServerUnavailable, StoreUnavailable
from everruns.ids import now_ms
from everruns.mcp.oauth.client import OAuthClient
from everruns.mcp.oauth.failures import Refused
from everruns.mcp.oauth.records import Granted, OAuthServer
from everruns.registry.mcp_headers import McpHeaders
from everruns.registry.mcp_vault import Kept, McpVault
from everruns.registry.places import Places

AT_ONCE = 16
PLACE_WAIT_S = 5.0
# Longer than a step can take with its wait, so that its process is gone when another one begins.
LEASE_S = 30.0
POLL_S = 0.1
STORE_ATTEMPTS = 5

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class McpTokens:
    """Hands out access tokens, and renews them.

    Args:
        vault: Keeps authorizations.
        headers: Decrypts client secrets.
        client: Asks authorization servers.
    """

    def __init__(self, vault: McpVault, headers: McpHeaders, client: OAuthClient) -> None:
        self._vault = vault
        self._headers = headers
        self._client = client
        self.places = Places(AT_ONCE, "authorization servers")
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._renewals: set[asyncio.Task[Access | None]] = set()

    async def access(
        self,
        server: McpServer,
        auth: McpAuth,
        subject: Subject,
        rejected: SecretStr | None = None,
        needed: str | None = None,
    ) -> Access | None:
        """Return what authorizes requests to a server now.

        Args:
            server: The server.
            auth: How it is authorized.
            subject: For whom.
            rejected: The token that the server takes no more.
            needed: Scopes that the deployment's own credentials have turned out to need.

        Returns:
            ``None`` if a person has to consent first.

        Raises:
            McpServerUnavailable: It cannot be renewed now; the message says why.
            Overloaded: Too many authorization servers are being asked.
        """
        if auth.acts_as == "service":
            subject = Subject()
        lock = self._locks.setdefault(subject.id_at(server.id), asyncio.Lock())
        async with lock:
            # What was begun is brought to its end, even if nobody waits for it any more.
            renewal = asyncio.create_task(self._access(server, auth, subject, rejected, needed))
            self._renewals.add(renewal)
            renewal.add_done_callback(self._renewals.discard)
            return await asyncio.shield(renewal)

    def opened(self, server: McpServer, auth: McpAuth) -> OAuthServer:
        """Return a server with the secrets of its entry.

        Raises:
            StoreUnavailable: They were encrypted with another key.
        """
        secret = self._headers.open_client_secret(auth)
        return OAuthServer(
            name=server.name,
            url=server.url or "",
            acts_as=auth.acts_as,
            scopes=tuple(auth.scopes) if auth.scopes is not None else None,
            client_id=auth.client_id,
            client_secret=secret.get_secret_value() if secret else None,
            issuer=auth.issuer,
        )

    async def _access(
        self,
        server: McpServer,
        auth: McpAuth,
        subject: Subject,
        rejected: SecretStr | None,
        needed: str | None,
    ) -> Access | None:
        for _ in range(round((LEASE_S + PLACE_WAIT_S) / POLL_S)):
            kept = await self._vault.find(server, subject)
            if kept is not None and (access := _usable(kept, rejected)):
                return access
            if auth.acts_as == "service":
                return await self._for_service(server, auth, kept, needed)
            if kept is None or kept.granted is None:
                return None
            if kept.granted.refresh_token is None:
                await self._expire(server, kept)
                return None
            if kept.standing.renewed_until_ms <= now_ms():
                until_ms = now_ms() + round(LEASE_S * 1000)
                claimed = self._vault.changed(server, kept, kept.granted, until_ms)
                if await self._vault.exchange(kept, claimed):
                    renewed = await self._renewed(server, claimed, kept.granted)
                    if renewed is None:
                        return None
                    if await self._is_stored(claimed, renewed):
                        return _access(renewed)
                    continue
            # Another process renews it.
            await asyncio.sleep(POLL_S)
        raise McpServerUnavailable(
            f"The authorization at the MCP server {server.name} is being renewed. Try again."
        )

    async def _renewed(self, server: McpServer, claimed: Kept, before: Granted) -> Kept | None:
        """Renew tokens; return ``None`` if the authorization server takes the old ones no more."""
        try:
            async with self.places.take(PLACE_WAIT_S):
                granted = await self._client.renew(server.name, before)
        except Refused as refused:
            log.info("mcp authorization ended", server=server.name, error=type(refused).__name__)
            if refused.code != "invalid_grant":
                await self._vault.forget_client(server)
            await self._expire(server, claimed)
            return None
        except EverrunsError:
            # What is stored is as good as before, for whoever asks next.
            await self._vault.exchange(claimed, self._vault.changed(server, claimed, before))
            raise
        return self._vault.changed(server, claimed, granted)

    async def _is_stored(self, claimed: Kept, renewed: Kept) -> bool:
        """Store renewed tokens, unless the authorization was ended or replaced meanwhile.

        The old ones are of no use any more, so it is tried several times.

        Raises:
            StoreUnavailable: It could not be done, nor can it be told whether it was.
        """
        for attempt in range(STORE_ATTEMPTS):
            if attempt:
                await asyncio.sleep(attempt * POLL_S)
            try:
                if await self._vault.exchange(claimed, renewed):
                    return True
                # An attempt whose outcome was unknown may have succeeded.
                return bool(attempt) and await self._vault.is_newest(renewed)
            except StoreUnavailable:
                log.warning("renewed mcp authorization not stored", attempt=attempt)
        raise StoreUnavailable("The renewed authorization could not be stored. Try again shortly.")

    async def _for_service(
        self, server: McpServer, auth: McpAuth, kept: Kept | None, needed: str | None
    ) -> Access | None:
        try:
            async with self.places.take(PLACE_WAIT_S):
                granted = await self._client.for_service(self.opened(server, auth), needed)
        except Refused as refused:
            raise McpServerUnavailable(
                f"The authorization server of the MCP server {server.name} does not take the "
                f"credentials of its entry ({refused.code}). Check its client_id, client_secret "
                "and scopes."
            ) from None
        if kept is None:
            new = self._vault.new(server, Subject(), granted)
            await self._vault.put(new)
        else:
            new = self._vault.changed(server, kept, granted)
            await self._vault.exchange(kept, new)
        return _access(new)

    async def _expire(self, server: McpServer, kept: Kept) -> None:
        """Forget tokens that are of no use; keep that there were some."""
        await self._vault.exchange(kept, self._vault.changed(server, kept, None))


def _usable(kept: Kept, rejected: SecretStr | None) -> Access | None:
    granted = kept.granted
    if granted is None or (granted.renew_ms is not None and granted.renew_ms <= now_ms()):
        return None
    if rejected is not None and rejected.get_secret_value() == granted.access_token:
        return None
    return _access(kept)


def _access(kept: Kept) -> Access | None:
    granted = kept.granted
    if granted is None:
        return None
    return Access(SecretStr(granted.access_token), kept.standing.grant_id, granted.renew_ms)
