"""What authorizes a process's requests to servers that want OAuth.

Source: docs/contract.md, "Authorizations of MCP servers"; ADR 0053.
"""

from typing import Protocol

from pydantic import SecretStr

from everruns.domain.mcp_authorizations import Access, AskedBy, McpConsent, Subject
from everruns.domain.mcp_servers import McpAccount
from everruns.errors import EverrunsError
from everruns.ids import now_ms
from everruns.mcp.failures import McpFailure, NotAuthorized
from everruns.tools.base import SessionContext

REMEMBERED = 10_000


class Authorizations(Protocol):
    """Hands out access to servers, and begins consents; the registry does it for all processes."""

    async def access(
        self,
        server_id: str,
        subject: Subject,
        rejected: SecretStr | None = None,
        needed: str | None = None,
    ) -> Access | None:
        """Return what authorizes requests now; ``None`` if a person has to consent first."""
        ...

    async def begin(
        self,
        server_id: str,
        subject: Subject,
        asked_by: AskedBy | None = None,
        needed: str | None = None,
    ) -> McpConsent:
        """Return an address at which a person can consent."""
        ...


def subject_of(session: SessionContext) -> Subject:
    """Return for whom a session's requests are, where servers tell users apart."""
    return Subject.of(session.agent.id if session.agent else None, session.end_user)


class Accesses:
    """The access that a process knows, by server and subject.

    Args:
        authorizations: Hands it out; without it servers that want OAuth cannot be used.
    """

    def __init__(self, authorizations: Authorizations | None = None) -> None:
        self._authorizations = authorizations
        self._known: dict[tuple[str, Subject], Access] = {}

    def forget(self) -> None:
        """Forget access that may have ended."""
        self._known.clear()

    async def of(
        self,
        account: McpAccount,
        subject: Subject,
        rejected: SecretStr | None = None,
        needed: str | None = None,
    ) -> Access:
        """Return what authorizes requests to a server now.

        Args:
            account: The server.
            subject: For whom.
            rejected: The token that the server takes no more.
            needed: Scopes that the deployment's own credentials have turned out to need.

        Raises:
            NotAuthorized: A person has to consent first.
            McpFailure: It cannot be had now; the message says why.
        """
        if account.id is None or self._authorizations is None:
            raise McpFailure(f"The MCP server {account.name} cannot be authorized here.")
        key = (account.id, Subject() if account.acts_as == "service" else subject)
        known = self._known.get(key)
        if known is not None and known.token != rejected and not _is_to_be_renewed(known):
            return known
        try:
            access = await self._authorizations.access(*key, rejected, needed)
        except EverrunsError as error:
            raise McpFailure(error.message) from None
        if access is None:
            self._known.pop(key, None)
            raise NotAuthorized(account.name)
        if len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[key] = access
        return access


def _is_to_be_renewed(access: Access) -> bool:
    return access.renew_ms is not None and access.renew_ms <= now_ms()
