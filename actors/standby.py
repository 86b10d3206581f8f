"""The registry that stands by on another node, until the one that answers has gone.

Of two registries over one database, the one whose turn it is answers all calls. The other has
everything imported and nothing open but a connection to the first. It takes over when the process
at the other end has ended, or when its machine is silent. A process that is stopped or too busy is
waited for: its machine still completes connections.

A mistake costs little. If both begin, the store lets only the one that began last take sessions
(see ``everruns.registry.life``).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

import structlog
from ray.exceptions import RayError

from actors.calls.direct import DirectConnection
from actors.calls.network import MachineSilentError
from actors.calls.registry_stub import SingleConnection
from actors.calls.stub import stub
from everruns.address import Address
from everruns.errors import EverrunsError, HostLost, RegistryReplaced
from everruns.log import error_kind
from everruns.registry.life import Life
from everruns.remote import Repeat, remote

SUCCESSION = "succession"
ANSWER_EVERY_S = 1.0
# The first question, through Ray: a process that starts on a busy machine answers late.
ASK_WITHIN_S = 5.0
RETRY_S = 0.5
# How often the second of two looks for the first before it goes ahead.
TRIES = 6

log = structlog.get_logger(__name__)


class Succession:
    """What the registry that answers knows of the one that stands by.

    Args:
        life: Its own.
    """

    def __init__(self, life: Life) -> None:
        self._life = life
        self._node = ""
        self._heard_at = float("-inf")

    @remote(Repeat.NO, timeout_s=ANSWER_EVERY_S + 2.0)
    async def follow(self, node: str, known: int | None) -> int:
        """Return the life of this registry: at once if that is news, otherwise after a second.

        Args:
            node: Where the registry is that stands by.
            known: The life that it knows.
        """
        self._node, self._heard_at = node, time.monotonic()
        if known == self._life.number:
            await asyncio.sleep(ANSWER_EVERY_S)
        return self._life.number

    def forget(self) -> None:
        """Take note that nobody stands by any more."""
        self._heard_at = float("-inf")

    def follower(self, within_s: float) -> str | None:
        """Return the node of the registry that stands by, if it has asked lately."""
        return self._node if time.monotonic() - self._heard_at <= within_s else None


class Rival(Protocol):
    """The other registry, as Ray reaches it."""

    async def begun(self) -> bool:
        """Tell whether it answers, and quickly if it does not.

        Raises:
            ConnectionError: It is not there.
        """
        ...

    async def address(self) -> Address | None:
        """Return where it takes calls.

        Raises:
            ConnectionError: It is not there.
        """
        ...


class ActorRival:
    """The other registry's actor.

    Args:
        handle: The actor.
        node: The node that asks.
    """

    def __init__(self, handle: Any, node: str) -> None:
        self._handle = handle
        self._node = node

    async def begun(self) -> bool:
        """Tell whether it answers; see ``Rival``."""
        return await _asked(self._handle.begun.remote)

    async def address(self) -> Address | None:
        """Return where it takes calls; see ``Rival``."""
        return await _asked(self._handle.address.remote, self._node)


async def _asked(ask: Callable[..., Any], *args: Any) -> Any:
    try:
        async with asyncio.timeout(ASK_WITHIN_S):
            return await ask(*args)
    except (RayError, TimeoutError) as error:
        raise ConnectionResetError(str(error)) from error


class Standby:
    """Waits until there is no other registry.

    Args:
        node: Its own node.
        is_first: Whether it goes ahead when neither of the two answers.
        find_other: Returns the other one, or raises ``ValueError`` if there is none.
        newest_life: Returns the life of the registry that began last.
    """

    def __init__(
        self,
        node: str,
        *,
        is_first: bool,
        find_other: Callable[[], Rival],
        newest_life: Callable[[], Awaitable[int]],
    ) -> None:
        self._node = node
        self._tries = 1 if is_first else TRIES
        self._find_other = find_other
        self._newest_life = newest_life
        # Of the registry that it has followed; none yet.
        self._followed: int | None = None

    async def wait(self) -> None:
        """Return when this registry is to begin."""
        tries = 0
        while True:
            try:
                other = await asyncio.to_thread(self._find_other)
            except ValueError:
                other = None
            if other is None or await self._has_gone(other):
                tries += 1
                is_due = other is None or self._followed is not None or tries >= self._tries
                if is_due and await self._is_next():
                    return
            await asyncio.sleep(RETRY_S)

    async def _has_gone(self, other: Rival) -> bool:
        """Follow the other registry as long as it answers; return whether it has gone."""
        try:
            if not await other.begun():
                return True
            address = await other.address()
        except ConnectionError as error:
            log.info("other registry not found", error=error_kind(error))
            return True
        return address is not None and await self._outlives(address)

    async def _outlives(self, address: Address) -> bool:
        """Return whether the process at an address has ended, or its machine is silent.

        One that was never connected to has not ended: it may be behind a firewall.
        """
        has_met = False
        while True:
            try:
                connection = await DirectConnection.connect(address, self._node)
            except (ConnectionRefusedError, FileNotFoundError, MachineSilentError) as error:
                is_silent = isinstance(error, MachineSilentError)
                log.warning("registry does not answer", silent=is_silent, error=error_kind(error))
                return has_met
            except OSError:
                await asyncio.sleep(RETRY_S)  # It is too busy to let anybody in, or about to end.
                continue
            has_met = True
            try:
                if await self._is_replaced(connection):
                    return False
            finally:
                connection.close()

    async def _is_replaced(self, connection: DirectConnection) -> bool:
        """Follow over a connection until that ends; return whether the other one has stepped down.

        A question without an answer ends the connection too; the next attempt to connect shows
        whether the machine is there.
        """
        other = stub(Succession, SingleConnection(connection), SUCCESSION)
        while True:
            try:
                self._followed = await other.follow(self._node, self._followed)
            except RegistryReplaced:
                return True
            except HostLost:
                return False
            except EverrunsError as error:
                log.info("other registry is not ready", error=error_kind(error))
                await asyncio.sleep(RETRY_S)

    async def _is_next(self) -> bool:
        """Return whether no registry of another cluster has begun since the one followed."""
        if self._followed is None:
            return True
        with suppress(EverrunsError):  # A registry cannot begin without its store.
            return await self._newest_life() <= self._followed
        return False
