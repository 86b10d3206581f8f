"""Authorizations as they are stored: what may be shown of them, and their encrypted secrets.

Secrets are encrypted for their record and the server's address, so they are of no use elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import blake2s
from secrets import token_hex
from typing import TypeVar

from pydantic import SecretStr

from everruns.domain.base import Model
from everruns.domain.mcp_authorizations import (
    CONSENT_LIFE_S,
    AskedBy,
    McpAuthorization,
    Subject,
)
from everruns.domain.mcp_servers import McpServer
from everruns.ids import format_time, now_ms
from everruns.mcp.oauth.records import Client, Granted, Pending
from everruns.registry.database import Database
from everruns.storage.data_directory.encryption import Cipher
from everruns.storage.mcp_authorizations import Kind, StoredAuthorization

# A registration that an authorization server has forgotten keeps people from coming back.
CLIENT_LIFE_S = 24 * 3600
# With one more, the earlier ones of the same subject end.
MAX_CONSENTS = 20

Secret = TypeVar("Secret", bound=Model)


class Standing(McpAuthorization):
    """An authorization as it is stored.

    Attributes:
        grant_id: Identifies the consent that it comes from.
        renewed_until_ms: Until when nobody but the process that renews it may do so, in
            milliseconds since the epoch.
    """

    grant_id: str
    renewed_until_ms: int = 0

    def shown(self) -> McpAuthorization:
        """Return what clients see of it."""
        return McpAuthorization.model_validate(dict(self))


class Consent(Model):
    """A consent that a person may still give.

    Attributes:
        server_id: The server.
        agent_id: See ``Subject``.
        end_user: See ``Subject``.
        session_id: Of the call that waits for it, as the next one.
        call_id: The call.
        is_used: Whether the person came back.
    """

    server_id: str
    agent_id: str = ""
    end_user: str = ""
    session_id: str | None = None
    call_id: str | None = None
    is_used: bool = False

    @property
    def subject(self) -> Subject:
        """For whom it is."""
        return Subject(self.agent_id, self.end_user)

    @property
    def asked_by(self) -> AskedBy | None:
        """The call that waits for it."""
        if self.session_id is None or self.call_id is None:
            return None
        return AskedBy(self.session_id, self.call_id)


@dataclass(frozen=True)
class Kept:
    """An authorization with its tokens.

    Attributes:
        stored: The record.
        standing: What may be shown of it.
        granted: Its tokens; ``None`` if the person has to consent again.
    """

    stored: StoredAuthorization
    standing: Standing
    granted: Granted | None


def consent_id(state: str) -> str:
    """Return the id of the consent with which a person comes back.

    The state itself is not stored, so nobody who reads the database can come back with it.
    """
    return f"consent_{blake2s(state.encode(), digest_size=32).hexdigest()}"


class McpVault:
    """Reads and writes authorizations.

    Args:
        database: Keeps them.
    """

    def __init__(self, database: Database) -> None:
        self._control = database.control
        self._store = database.store.mcp_authorizations
        self._cipher: Cipher = database.store.cipher

    # Tokens

    async def find(self, server: McpServer, subject: Subject) -> Kept | None:
        """Return a subject's authorization at a server."""
        stored = await self._control.read(self._store.find, subject.id_at(server.id))
        return None if stored is None else self._kept(server, stored)

    async def list(self, server: McpServer) -> list[Standing]:
        """Return the authorizations at a server, newest first."""
        found = await self._control.read(self._store.list, server.id, "authorization")
        shown = [Standing.model_validate_json(stored.document) for stored in found]
        return sorted(shown, key=lambda one: (one.created_at, one.id), reverse=True)

    def new(self, server: McpServer, subject: Subject, granted: Granted) -> Kept:
        """Return the authorization that begins with a consent."""
        now = format_time(now_ms())
        standing = Standing(
            id=subject.id_at(server.id),
            mcp_server_id=server.id,
            acts_as=server.auth.acts_as if server.auth else "user",
            agent_id=subject.agent_id or None,
            end_user=subject.end_user or None,
            scope=granted.scope,
            created_at=now,
            updated_at=now,
            grant_id=token_hex(16),
        )
        return self._sealed(server, standing, granted)

    def changed(
        self, server: McpServer, kept: Kept, granted: Granted | None, renewed_until_ms: int = 0
    ) -> Kept:
        """Return an authorization with other tokens, or with none."""
        changes = {
            "status": "expired" if granted is None else "connected",
            "scope": granted.scope if granted else kept.standing.scope,
            "renewed_until_ms": renewed_until_ms,
            "updated_at": format_time(now_ms()),
        }
        return self._sealed(server, kept.standing.model_copy(update=changes), granted)

    async def put(self, kept: Kept) -> None:
        """Store an authorization, whatever is stored."""
        await self._control.write(self._store.put, kept.stored)

    async def exchange(self, before: Kept, after: Kept) -> bool:
        """Store an authorization if it has not changed meanwhile; return whether it had not."""
        return await self._control.write(self._store.exchange, after.stored, before.stored.version)

    async def is_newest(self, kept: Kept) -> bool:
        """Tell whether an authorization is stored in this version."""
        stored = await self._control.read(self._store.find, kept.stored.id)
        return stored is not None and stored.version == kept.stored.version

    async def delete(self, authorization_id: str) -> bool:
        """Delete an authorization, and what its subject may still consent to."""
        deleted = await self._control.write(self._store.delete, authorization_id)
        await self._control.write(self._store.delete_consents, authorization_id)
        return deleted

    # Consents on their way

    async def put_consent(
        self, server: McpServer, subject: Subject, asked_by: AskedBy | None, state: str, it: Pending
    ) -> int:
        """Store a consent that a person may give; return until when, in milliseconds."""
        expires_ms = now_ms() + CONSENT_LIFE_S * 1000
        consent = Consent(
            server_id=server.id,
            agent_id=subject.agent_id,
            end_user=subject.end_user,
            session_id=asked_by.session_id if asked_by else None,
            call_id=asked_by.call_id if asked_by else None,
        )
        stored = self._record(
            server, consent_id(state), "consent", subject.id_at(server.id), consent, it, expires_ms
        )
        await self._control.write(self._put_consent, stored)
        return expires_ms

    def _put_consent(self, stored: StoredAuthorization) -> None:
        self._store.prune(now_ms())
        waiting = self._store.list(stored.server_id, "consent")
        if sum(one.subject_id == stored.subject_id for one in waiting) >= MAX_CONSENTS:
            self._store.delete_consents(stored.subject_id)
        self._store.put(stored)

    async def find_consent(self, state: str) -> tuple[StoredAuthorization, Consent] | None:
        """Return the consent with which a person comes back, if it has not expired."""
        stored = await self._control.read(self._store.find, consent_id(state))
        if stored is None or (stored.expires_ms or 0) <= now_ms():
            return None
        return stored, Consent.model_validate_json(stored.document)

    async def use_consent(self, stored: StoredAuthorization, consent: Consent) -> bool:
        """Mark a consent as used; return whether nobody else has used it."""
        document = consent.model_copy(update={"is_used": True}).stored()
        # What it was needed for is not needed again.
        used = replace(stored, version=token_hex(8), document=document, sealed="")
        return await self._control.write(self._store.exchange, used, stored.version)

    def pending(self, server: McpServer, stored: StoredAuthorization) -> Pending:
        """Return what is needed to get tokens.

        Raises:
            StoreUnavailable: It was encrypted with another key.
        """
        return self._opened(server, stored, Pending.model_validate_json)

    # Registered clients

    async def find_client(self, server: McpServer) -> Client | None:
        """Return the client that was registered for a server a short time ago."""
        stored = await self._control.read(self._store.find, _client_id(server))
        if stored is None or (stored.expires_ms or 0) <= now_ms():
            return None
        return self._opened(server, stored, Client.model_validate_json)

    async def put_client(self, server: McpServer, client: Client) -> None:
        """Store a client that was registered for a server."""
        expires_ms = now_ms() + CLIENT_LIFE_S * 1000
        stored = self._record(server, _client_id(server), "client", "", Model(), client, expires_ms)
        await self._control.write(self._store.put, stored)

    async def forget_client(self, server: McpServer) -> None:
        """Forget the client that was registered for a server."""
        await self._control.write(self._store.delete, _client_id(server))

    # Encryption

    def _kept(self, server: McpServer, stored: StoredAuthorization) -> Kept:
        standing = Standing.model_validate_json(stored.document)
        has_tokens = bool(stored.sealed)
        granted = self._opened(server, stored, Granted.model_validate_json) if has_tokens else None
        return Kept(stored, standing, granted)

    def _sealed(self, server: McpServer, standing: Standing, granted: Granted | None) -> Kept:
        stored = self._record(
            server, standing.id, "authorization", standing.id, standing, granted, None
        )
        return Kept(stored, standing, granted)

    def _record(
        self,
        server: McpServer,
        record_id: str,
        kind: Kind,
        subject_id: str,
        document: Model,
        secret: Model | None,
        expires_ms: int | None,
    ) -> StoredAuthorization:
        plain = SecretStr(secret.model_dump_json(exclude_none=True)) if secret else None
        return StoredAuthorization(
            id=record_id,
            server_id=server.id,
            kind=kind,
            subject_id=subject_id,
            version=token_hex(8),
            document=document.stored(),
            sealed=self._cipher.encrypt(plain, _owner(server, record_id)) if plain else "",
            expires_ms=expires_ms,
        )

    def _opened(
        self, server: McpServer, stored: StoredAuthorization, read: Callable[[str], Secret]
    ) -> Secret:
        secret = self._cipher.decrypt(stored.sealed, _owner(server, stored.id))
        return read(secret.get_secret_value())


def _client_id(server: McpServer) -> str:
    return f"client_{server.id}"


def _owner(server: McpServer, record_id: str) -> str:
    return f"{record_id} {server.url}"
