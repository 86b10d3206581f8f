"""The API keys: managing them, and following their changes."""

import asyncio
from dataclasses import dataclass, field

import structlog

from everruns.domain.keys import MAX_KEYS, ApiKey
from everruns.errors import AgentNotFound, Conflict, EverrunsError, NotFound
from everruns.ids import now_ms
from everruns.log import error_kind
from everruns.registry.database import Database
from everruns.remote import CALL_TIMEOUT_S, Repeat, remote

LONGEST_WAIT_S = 30.0
FOLLOW_EVERY_S = 2.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class KnownKeys:
    """All API keys at one point in time.

    Attributes:
        revision: Changes whenever the keys change.
        keys: The keys, oldest first.
        signing_secret: What access tokens are signed with.
    """

    revision: int
    keys: list[ApiKey]
    signing_secret: bytes = field(repr=False)


class ApiKeys:
    """Adds, lists and revokes API keys, and tells every API replica of the changes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._store = database.store
        # Across restarts too.
        self._revision = now_ms()
        self._changes = asyncio.Lock()
        self._changed = asyncio.Event()

    @remote(Repeat.YES)
    async def list(self) -> list[ApiKey]:
        """Return every key, oldest first."""
        return await self._database.control.read(self._store.api_keys.list)

    @remote(Repeat.YES)
    async def add(self, key: ApiKey) -> None:
        """Store a key; it is valid at once. Adding the same key again does nothing.

        Only the hash is passed here; the secret stays with the key's creator.

        Raises:
            AgentNotFound: It is bound to an agent that does not exist.
            Conflict: The maximum number of keys exists.
        """
        for agent_id in key.agent_ids:
            if await self._database.control.read(self._store.agents.find, agent_id) is None:
                raise AgentNotFound(f"Agent {agent_id} not found")
        async with self._changes:
            others = [other for other in await self.list() if other.id != key.id]
            if len(others) >= MAX_KEYS:
                raise Conflict(
                    f"There are already {MAX_KEYS} API keys, the maximum. Revoke one with: "
                    "everruns keys revoke"
                )
            try:
                await self._database.control.write(self._store.api_keys.put, key)
            finally:
                self._advance()

    @remote(Repeat.NO)
    async def revoke(self, key_id: str) -> None:
        """Delete a key: it and its access tokens are refused, and their streams end.

        Raises:
            NotFound: There is none with this id.
        """
        async with self._changes:
            try:
                was_there = await self._database.control.write(self._store.api_keys.delete, key_id)
            finally:
                self._advance()
        if not was_there:
            raise NotFound(
                f"There is no API key {key_id[:64]}. `everruns keys list` and GET /v1/api-keys "
                "show the existing keys."
            )

    @remote(Repeat.YES, timeout_s=LONGEST_WAIT_S + CALL_TIMEOUT_S)
    async def read(self, known: int | None, wait_s: float) -> KnownKeys | None:
        """Return the keys if they may have changed; otherwise wait for a change (a long poll).

        Args:
            known: The caller's revision, if any.
            wait_s: Seconds to wait for a change before returning ``None``.
        """
        if known == self._revision:
            try:
                async with asyncio.timeout(min(wait_s, LONGEST_WAIT_S)):
                    await self._changed.wait()
            except TimeoutError:
                return None
        # Taken first, so that a concurrent change is reported again rather than lost.
        revision = self._revision
        secret = self._store.api_keys.signing_secret()
        return KnownKeys(revision, await self.list(), secret)

    async def follow(self) -> None:
        """Notice what other processes change in the store, such as a command on another machine."""
        seen: list[ApiKey] | None = None
        while True:
            try:
                keys = await self.list()
            except EverrunsError as error:
                log.warning("API keys not followed", error=error_kind(error))
            else:
                if seen is not None and keys != seen:
                    self._advance()
                seen = keys
            await asyncio.sleep(FOLLOW_EVERY_S)

    def _advance(self) -> None:
        # Also after a failed write, because its outcome may be unknown.
        self._revision += 1
        self._changed.set()
        self._changed = asyncio.Event()
