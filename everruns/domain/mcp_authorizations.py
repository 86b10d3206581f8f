"""Who has authorized this deployment to act for them at an MCP server.

Source: docs/contract.md, "Resources", Authorizations of MCP servers.
"""

from dataclasses import dataclass
from hashlib import blake2s
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, SecretStr, model_validator

from everruns.domain.base import Model
from everruns.domain.forms import PRINTABLE
from everruns.domain.mcp_auth import ActsAs
from everruns.domain.rights import AgentRef

CALLBACK_PATH = "/oauth/callback"
"""Where browsers come back from pages of consent, after the deployment's address."""

CLIENT_PATH = "/oauth/client"
"""Where this deployment describes itself to authorization servers."""

CONSENT_LIFE_S = 3600
"""Seconds within which a person has to come back."""

QUESTION_ID = "authorization"
"""The id of the question that lets a person consent in a conversation."""

CONNECTED, DECLINED = "Done", "Cancel"
"""The two answers to it."""


@dataclass(frozen=True)
class Subject:
    """For whom agents act at a server: an end user, or the application itself.

    Attributes:
        agent_id: The agent among whose users the end user is; empty without an agent.
        end_user: The application's name for its user; empty for the application itself, which is
            the same for all agents.
    """

    agent_id: str = ""
    end_user: str = ""

    @classmethod
    def of(cls, agent_id: str | None, end_user: str | None) -> "Subject":
        """Return the subject of a session with this agent and end user."""
        return cls(agent_id or "", end_user) if end_user else cls()

    @property
    def is_application(self) -> bool:
        """Whether it is the application itself."""
        return not self.end_user

    def id_at(self, server_id: str) -> str:
        """Return the id of this subject's authorization at a server."""
        raw = f"{server_id}\0{self.agent_id}\0{self.end_user}"
        return f"mcpauthorization_{blake2s(raw.encode(), digest_size=16).hexdigest()}"


@dataclass(frozen=True)
class Access:
    """What authorizes requests now; only for session hosts.

    Attributes:
        token: Goes to the server.
        grant_id: Identifies the consent that it comes from; another one may be another account.
        renew_ms: From when on a new one is to be asked for, in milliseconds since the epoch.
    """

    token: SecretStr
    grant_id: str
    renew_ms: int | None = None


@dataclass(frozen=True)
class AskedBy:
    """The tool call that waits for a consent."""

    session_id: str
    call_id: str


class McpAuthorizationInput(Model):
    """Begins an authorization: of an end user, or of the application itself without one."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"required": ["agent_id"], "properties": {"agent_id": {"type": "string"}}},
            "then": {"required": ["end_user"], "properties": {"end_user": {"type": "string"}}},
        }
    )

    agent_id: AgentRef | None = Field(None, description="The agent whose end user it is.")
    end_user: Annotated[str, Field(pattern=PRINTABLE)] | None = Field(
        None, description="The end user; without one it is for sessions that have none."
    )

    @model_validator(mode="after")
    def _names_a_user(self) -> Self:
        if self.agent_id is not None and self.end_user is None:
            raise ValueError("agent_id goes with end_user")
        return self


class McpConsent(Model):
    """The address at which a person consents; it is for this person alone, and works once."""

    authorization_url: str
    expires_at: str
    agent_id: str | None = None
    end_user: str | None = None


class McpAuthorization(Model):
    """An authorization, without its tokens.

    Attributes:
        status: ``expired`` if the person has to consent again.
    """

    id: str
    mcp_server_id: str
    acts_as: ActsAs = "user"
    agent_id: str | None = None
    end_user: str | None = None
    scope: str | None = None
    status: Literal["connected", "expired"] = "connected"
    created_at: str
    updated_at: str

    @property
    def subject(self) -> Subject:
        """For whom it is."""
        return Subject.of(self.agent_id, self.end_user)


@dataclass(frozen=True)
class Homecoming:
    """What became of a consent when the person came back.

    Attributes:
        outcome: ``used`` if the address has been used before.
        server: The server's name; empty if it is unknown.
        end_user: The end user; empty for the application itself.
        reason: Why it failed, in a sentence for the person.
        asked_by: The call that waits for it.
    """

    outcome: Literal["connected", "declined", "failed", "used", "unknown"]
    server: str = ""
    end_user: str = ""
    reason: str = ""
    asked_by: AskedBy | None = None
