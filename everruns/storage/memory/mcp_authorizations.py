"""Authorizations at MCP servers in memory."""

from collections.abc import Callable

from everruns.storage.mcp_authorizations import Kind, StoredAuthorization
from everruns.storage.memory.contents import Contents


class MemoryMcpAuthorizations:
    """Implements ``McpAuthorizationStore``."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def put(self, stored: StoredAuthorization) -> None:
        """Store one, replacing the one with its id."""
        with self._contents.lock:
            self._contents.mcp_authorizations[stored.id] = stored

    def exchange(self, stored: StoredAuthorization, version: str) -> bool:
        """Replace the one with its id if that still has a version; return whether it had."""
        with self._contents.lock:
            known = self._contents.mcp_authorizations.get(stored.id)
            if known is None or known.version != version:
                return False
            self._contents.mcp_authorizations[stored.id] = stored
            return True

    def find(self, authorization_id: str) -> StoredAuthorization | None:
        """Return the one with an id."""
        with self._contents.lock:
            return self._contents.mcp_authorizations.get(authorization_id)

    def list(self, server_id: str, kind: Kind) -> list[StoredAuthorization]:
        """Return those of a server, by id."""
        with self._contents.lock:
            found = [
                stored
                for stored in self._contents.mcp_authorizations.values()
                if (stored.server_id, stored.kind) == (server_id, kind)
            ]
        return sorted(found, key=lambda stored: stored.id)

    def delete(self, authorization_id: str) -> bool:
        """Delete one; return whether it existed."""
        return bool(self._delete(lambda stored: stored.id == authorization_id))

    def delete_consents(self, subject_id: str) -> int:
        """Delete the consents that one subject may still give at a server; return how many."""
        return self._delete(
            lambda stored: stored.kind == "consent" and stored.subject_id == subject_id
        )

    def prune(self, before_ms: int) -> int:
        """Delete all that may be forgotten by a time; return how many there were."""
        return self._delete(
            lambda stored: stored.expires_ms is not None and stored.expires_ms <= before_ms
        )

    def _delete(self, condition: Callable[[StoredAuthorization], bool]) -> int:
        with self._contents.lock:
            doomed = [
                stored.id
                for stored in self._contents.mcp_authorizations.values()
                if condition(stored)
            ]
            for authorization_id in doomed:
                del self._contents.mcp_authorizations[authorization_id]
            return len(doomed)
