"""Routes: the way from a session to the host that holds it, and to the next one if it has moved."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from everruns.address import MeetHost
from everruns.errors import (
    CapacityExhausted,
    HostLost,
    PlacedElsewhere,
    SequenceConflict,
    SessionNotFound,
    Unavailable,
)
from everruns.registry.hosting import Location
from everruns.registry.logs import LoadedSession
from everruns.registry.registry import Registry
from everruns.runtime.feed.streams import FindHost
from everruns.runtime.host import SessionHost

# The usual client gives up after half a minute, and is to be told before.
PATIENCE_S = 15.0
RETRY_S = 0.05
# About 200 bytes each.
REMEMBERED_PLACES = 20_000

Result = TypeVar("Result")


class Routes:
    """Knows where sessions are, and calls their hosts.

    Args:
        registry: The registry or its stub; it places sessions.
        find_host: Returns a session host by its name.
        meet_host: Called with the address of a session host, before that is found by its name.
    """

    def __init__(
        self, registry: Registry, find_host: FindHost, meet_host: MeetHost | None = None
    ) -> None:
        self._registry = registry
        self._find_host = find_host
        self._meet_host = meet_host
        self._places: dict[str, str] = {}

    async def place(self, session_id: str) -> str:
        """Return the name of the host that holds a session, placing it if no host does.

        Raises:
            CapacityExhausted: Every session actor is full.
            SessionNotFound: The session does not exist.
        """
        if name := self._places.get(session_id):
            return name
        return self._remember(session_id, await self._registry.hosting.place(session_id))

    async def place_loaded(self, session_id: str) -> tuple[str, LoadedSession | None]:
        """Return what ``place`` does, and the session too if the registry hands it over.

        Raises:
            CapacityExhausted: Every session actor is full.
            SessionNotFound: The session does not exist.
        """
        if name := self._places.get(session_id):
            return name, None
        location, loaded = await self._registry.hosting.place_loaded(session_id)
        return self._remember(session_id, location), loaded

    def forget(self, session_id: str) -> None:
        """Have the registry asked where a session is the next time it is needed."""
        self._places.pop(session_id, None)

    async def call(
        self,
        session_id: str,
        ask: Callable[[SessionHost, bool], Awaitable[Result]],
        place: Callable[[], Awaitable[str]] | None = None,
    ) -> Result:
        """Call the session's host, and retry if it is lost or the session has moved.

        Args:
            session_id: The session.
            ask: Receives the host, and whether a lost host may have carried out the call.
            place: Returns the name of the host, if not as usual.

        Raises:
            CapacityExhausted: Every session actor is full.
            SessionNotFound: The session does not exist.
            Unavailable: The session's host did not answer in time.
            EverrunsError: What the host answers.
        """
        is_repeated = False
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            was_remembered = session_id in self._places
            try:
                host = await self._find_host(await (place() if place else self.place(session_id)))
                return await ask(host, is_repeated)
            except CapacityExhausted:
                self.forget(session_id)
                if not was_remembered:
                    raise
                # That host is full, and the registry may know one that is not.
            except SessionNotFound:
                self.forget(session_id)
                raise
            except (PlacedElsewhere, HostLost, SequenceConflict) as error:
                is_repeated = is_repeated or isinstance(error, HostLost)
                self.forget(session_id)
                if asyncio.get_running_loop().time() >= deadline:
                    raise Unavailable(
                        "The session is moving. Try again shortly.", None, 1.0
                    ) from None
                await asyncio.sleep(RETRY_S)

    def _remember(self, session_id: str, location: Location) -> str:
        if len(self._places) >= REMEMBERED_PLACES:
            # The oldest alone: all at once would make every session be looked for anew.
            del self._places[next(iter(self._places))]
        self._places[session_id] = location.host
        if location.address is not None and self._meet_host is not None:
            self._meet_host(location.host, location.address)
        return location.host
