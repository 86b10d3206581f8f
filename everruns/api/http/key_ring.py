"""One API process's view of the API keys and of what signs access tokens.

Every process keeps the hashes of all keys in memory, so that checking a key needs no call. A long
poll of the registry delivers changes. An unknown key is looked up once before it is refused, so
that a new key is valid at once; however many unknown keys arrive, the registry gets one lookup at a
time, and only a few per second.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager
from hmac import compare_digest

import structlog

from everruns.domain.keys import ApiKey, hash_secret
from everruns.errors import EverrunsError, Unavailable
from everruns.log import error_kind, no_ids
from everruns.registry.keys import ApiKeys, KnownKeys

FOLLOW_S = 20.0
RETRY_S = 1.0
FIRST_ANSWER_TIMEOUT_S = 10.0
LOOK_PACE_S = 0.05
LOOK_TIMEOUT_S = 5.0

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class KeyRing:
    """Recognises API keys by their secrets.

    Args:
        keys: The registry's keys.
        changed: Called with the ids of all keys whenever they may have changed.
    """

    def __init__(self, keys: ApiKeys, changed: Callable[[Collection[str]], None]) -> None:
        self._source = keys
        self._changed = changed
        self._keys: list[ApiKey] = []
        self._signing_secret = b""
        self._revision: int | None = None
        self._are_known = asyncio.Event()
        self._looks: set[asyncio.Task[None]] = set()
        self._next_look: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()

    @asynccontextmanager
    async def following(self) -> AsyncGenerator[None]:
        """Follow the registry's keys while the context lasts.

        While the registry does not answer, the last known keys stay valid.
        """
        following = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            tasks = {following, *self._looks}
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def find(self, secret: str) -> ApiKey | None:
        """Return the key with this secret; the time taken reveals nothing about the keys.

        Raises:
            Unavailable: The registry must be asked but does not answer.
        """
        await self._wait_for_keys()
        offered = hash_secret(secret)
        key = self._match(offered)
        if key is None:
            await self._look()
            key = self._match(offered)
        return key

    async def signing_secret(self) -> bytes:
        """Return what access tokens are signed with.

        Raises:
            Unavailable: The registry must be asked but does not answer.
        """
        await self._wait_for_keys()
        return self._signing_secret

    async def has(self, key_id: str) -> bool:
        """Tell whether a key exists and is not revoked.

        Raises:
            Unavailable: The registry must be asked but does not answer.
        """
        await self._wait_for_keys()
        if self.known(key_id) is None:
            # Another process may have used it first.
            await self._look()
        return self.known(key_id) is not None

    def known(self, key_id: str) -> ApiKey | None:
        """Return the key with this id, if it is known here already."""
        return next((key for key in self._keys if key.id == key_id), None)

    def _match(self, offered: str) -> ApiKey | None:
        matching = [key for key in self._keys if compare_digest(offered, key.hash)]
        return matching[0] if matching else None

    async def _wait_for_keys(self) -> None:
        if self._are_known.is_set():
            return
        try:
            async with asyncio.timeout(FIRST_ANSWER_TIMEOUT_S):
                await self._are_known.wait()
        except TimeoutError:
            raise _unknown() from None

    async def _look(self) -> None:
        """Wait until the registry has been asked after this call."""
        if self._next_look is None:
            self._next_look = asyncio.create_task(self._ask_soon(), context=no_ids())
            self._looks.add(self._next_look)
            self._next_look.add_done_callback(self._looked)
        # A cancelled request must not cancel the answer for the others.
        await asyncio.shield(self._next_look)

    def _looked(self, look: asyncio.Task[None]) -> None:
        self._looks.discard(look)
        if not look.cancelled():
            look.exception()  # Waiting requests have the error; without any, it does not matter.

    async def _ask_soon(self) -> None:
        async with self._looking:
            await asyncio.sleep(LOOK_PACE_S)
            # Later requests may have a key that is newer than this lookup.
            self._next_look = None
            try:
                async with asyncio.timeout(LOOK_TIMEOUT_S):
                    self._take(await self._source.read(self._revision, 0))
            except TimeoutError:
                raise _unknown() from None

    async def _follow(self) -> None:
        while True:
            try:
                self._take(await self._source.read(self._revision, FOLLOW_S))
            except EverrunsError as error:
                log.warning("API keys not followed", error=error_kind(error))
                await asyncio.sleep(RETRY_S)
            except Exception:  # An unexpected error must not keep revoked keys valid.
                log.exception("API keys not followed")
                await asyncio.sleep(RETRY_S)

    def _take(self, known: KnownKeys | None) -> None:
        if known is None:
            return
        self._revision, self._keys = known.revision, known.keys
        self._signing_secret = known.signing_secret
        self._are_known.set()
        self._changed({key.id for key in known.keys})


def _unknown() -> Unavailable:
    return Unavailable("The server cannot look up its API keys now. Try again shortly.", None, 1.0)
