"""How a host gets the sessions that are placed on it."""

from dataclasses import replace
from typing import Protocol

from everruns.registry.hosting import Hosting
from everruns.registry.logs import LoadedSession, Logs


class Loading(Protocol):
    """Gives a host a session to hold, or refuses it."""

    async def load(self, session_id: str, host: str, *, whole: bool = False) -> LoadedSession:
        """Return a session with its log; see ``Hosting.load``, which is one way to do so."""
        ...


class OwnLoading:
    """Takes sessions from the store that this process has open, where the registry allows it.

    Args:
        hosting: The registry's, or its stub.
        logs: This process's own.
    """

    def __init__(self, hosting: Hosting, logs: Logs) -> None:
        self._hosting = hosting
        self._own = logs

    async def load(self, session_id: str, host: str, *, whole: bool = False) -> LoadedSession:
        """Return a session with its log.

        Raises:
            PlacedElsewhere: Another host holds it, or this one has no room.
            RegistryReplaced: Another registry has begun since this one placed it.
            SessionNotFound: There is none with this id.
        """
        claim = await self._hosting.claim(session_id, host)
        try:
            taken = await self._own.take(session_id, claim.life, whole=whole)
        except BaseException:
            # Whatever failed, the session must be free for its next host.
            await self._hosting.release(session_id, host)
            raise
        revision = max(claim.revision, taken.revision)
        return replace(taken, lost_with=claim.lost_with, revision=revision)
