"""What a store promises about authorizations at MCP servers."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

Kind = Literal["authorization", "consent", "client"]
"""Tokens of a subject, a consent that somebody may still give, or a registered client."""


@dataclass(frozen=True)
class StoredAuthorization:
    """An authorization at a server, or a part of one on its way.

    Attributes:
        id: Its id.
        server_id: The server, with which it is deleted.
        kind: What it is.
        subject_id: The id of the authorization that it is, or is to become; empty for a client.
        version: Changes whenever it does.
        document: What may be shown of it, as JSON.
        sealed: Its secrets, encrypted.
        expires_ms: From when on it may be forgotten, in milliseconds since the epoch.
    """

    id: str
    server_id: str
    kind: Kind
    subject_id: str
    version: str
    document: str
    sealed: str = field(repr=False)
    expires_ms: int | None = None


class McpAuthorizationStore(Protocol):
    """Keeps authorizations, whose secrets are encrypted already.

    Those of a server are deleted by ``McpServerStore``.
    """

    def put(self, stored: StoredAuthorization) -> None:
        """Store one, replacing the one with its id."""
        ...

    def exchange(self, stored: StoredAuthorization, version: str) -> bool:
        """Replace the one with its id if that still has a version; return whether it had."""
        ...

    def find(self, authorization_id: str) -> StoredAuthorization | None:
        """Return the one with an id."""
        ...

    def list(self, server_id: str, kind: Kind) -> list[StoredAuthorization]:
        """Return those of a server, by id."""
        ...

    def delete(self, authorization_id: str) -> bool:
        """Delete one; return whether it existed."""
        ...

    def delete_consents(self, subject_id: str) -> int:
        """Delete the consents that one subject may still give at a server; return how many."""
        ...

    def prune(self, before_ms: int) -> int:
        """Delete all that may be forgotten by a time; return how many there were."""
        ...
