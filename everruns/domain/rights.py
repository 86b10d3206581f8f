"""Rights: what the sender of a request may do, and where.

An API key without limits may do everything. A key with limits is bound to agents, an access token
to one session, one agent, or one end user of an agent; each has named rights there.

Source: docs/contract.md, "Who may do what".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from everruns.domain.base import Model
from everruns.domain.forms import id_form
from everruns.domain.sessions import Session
from everruns.errors import Forbidden

Right = Literal[
    "read",
    "send",
    "answer",
    "run_tools",
    "decide",
    "create_sessions",
    "manage_sessions",
    "files",
    "read_agents",
]

RIGHTS: Mapping[Right, str] = {
    "read": "read sessions, their messages, events and files",
    "send": "send messages, cancel and retry turns",
    "answer": "answer questions",
    "run_tools": "send results of client-side tools",
    "decide": "allow or reject tool calls that are held",
    "create_sessions": "create sessions of an agent as it is",
    "manage_sessions": "change and delete sessions",
    "files": "change the files of sessions",
    "read_agents": "read agents, their instructions included",
}
"""Every right with its meaning."""

AgentRef = Annotated[str, Field(pattern=id_form("agent"))]

# What a session with limits may say about itself; the rest is its agent's.
OWN_FIELDS = frozenset(
    {"agent_id", "agent_name", "end_user", "title", "locale", "tags", "metadata"}
)


class Grant(Model):
    """Rights within a scope: some agents, one end user of an agent, or one session.

    Attributes:
        rights: What may be done there.
        agent_ids: The agents; for a session, its agent, if it has one.
        end_user: Only the sessions of this end user of the agent; ``None`` for all. Empty for the
            application itself, as in channels.
        session_id: Only this session.
    """

    rights: list[Right]
    agent_ids: list[str] = Field(default_factory=list[str])
    end_user: str | None = None
    session_id: str | None = None

    def covers(self, session: Session) -> bool:
        """Tell whether a session is in scope."""
        if self.session_id is not None:
            return session.id == self.session_id
        of_user = self.end_user is None or session.end_user == self.end_user
        return of_user and session.agent_id in self.agent_ids

    def require(self, right: Right) -> None:
        """Check a right.

        Raises:
            Forbidden: It was not granted.
        """
        if right not in self.rights:
            raise Forbidden(
                f"This needs the right {right} ({RIGHTS[right]}). The credential has: "
                f"{', '.join(self.rights)}."
            )

    def require_all(self, rights: list[Right]) -> None:
        """Check the rights that a credential passes on to an access token.

        Raises:
            Forbidden: One of them was not granted.
        """
        for right in rights:
            self.require(right)

    def check_session_fields(self, given: set[str]) -> None:
        """Check the fields that are set for a session: it must be its agent as it is.

        Raises:
            Forbidden: One of them would change the agent.
        """
        if others := sorted(given - OWN_FIELDS):
            raise Forbidden(
                f"{', '.join(others)}: only an API key without limits may set this for a session. "
                "Leave it out; the session then has what its agent has."
            )


@dataclass(frozen=True)
class Principal:
    """Who sends a request.

    Attributes:
        id: Identifies the sender, the same after an access token was renewed; empty for anybody.
        key_id: The API key that is shown, or that made the access token that is shown.
        grant: What it may do; ``None`` without limits.
        expires_ms: When its access token expires, in milliseconds since the epoch; ``None`` for
            others.
    """

    id: str = ""
    key_id: str | None = None
    grant: Grant | None = None
    expires_ms: int | None = None

    @property
    def has_token(self) -> bool:
        """Whether it shows an access token rather than an API key or nothing."""
        return self.expires_ms is not None

    @property
    def role(self) -> Literal["end_user", "operator"]:
        """For whom it acts: access tokens of sessions and end users are for end users."""
        grant = self.grant
        is_for_user = grant is not None and bool(grant.end_user or grant.session_id)
        return "end_user" if self.has_token and is_for_user else "operator"


ANYBODY = Principal()
"""The sender of a request that shows no credential, where none is required."""
