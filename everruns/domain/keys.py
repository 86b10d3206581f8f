"""API keys. A key is recognised by the hash of its secret; the secret itself is not stored."""

import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from everruns.domain.base import Model
from everruns.domain.forms import NOT_BLANK
from everruns.domain.rights import RIGHTS, AgentRef, Grant, Principal, Right
from everruns.errors import InvalidRequest
from everruns.ids import format_time, new_id, now_ms

SECRET_BYTES = 32
LONGEST_NAME = 100
MAX_KEYS = 1000
MAX_AGENTS = 100


class ApiKey(Model):
    """A stored key.

    Attributes:
        id: ``key_…``.
        name: Its purpose, in its owner's words.
        hash: SHA-256 of the secret, in hexadecimal digits.
        last_four: The last characters of the secret, by which its owner recognises it.
        created_at: When it was made.
        agent_ids: The agents to which it is bound; none if it has no limits.
        rights: What it may do there; none if it has no limits.
    """

    id: str
    name: str
    hash: str
    last_four: str
    created_at: str
    agent_ids: list[str] = Field(default_factory=list[str])
    rights: list[Right] = Field(default_factory=list[Right])

    def principal(self) -> Principal:
        """Return the sender of a request with this key."""
        is_bound = bool(self.agent_ids)
        grant = Grant(agent_ids=self.agent_ids, rights=self.rights) if is_bound else None
        return Principal(self.id, self.id, grant)


# What the validator below checks, for the OpenAPI document.
RIGHTS_SOMEWHERE: dict[str, Any] = {
    "if": {"required": ["rights"], "properties": {"rights": {"minItems": 1}}},
    "then": {"required": ["agent_ids"], "properties": {"agent_ids": {"minItems": 1}}},
}


class ApiKeyInput(Model):
    """Creates an API key: one without limits, or one that is bound to agents."""

    model_config = ConfigDict(json_schema_extra=RIGHTS_SOMEWHERE)

    name: Annotated[str, Field(max_length=LONGEST_NAME, pattern=NOT_BLANK)] = Field(
        description="What the key is for."
    )
    agent_ids: Annotated[list[AgentRef], Field(max_length=MAX_AGENTS)] = Field(
        default_factory=list[str], description="Bind the key to these agents."
    )
    rights: Annotated[list[Right], Field(max_length=20)] = Field(
        default_factory=list[Right],
        description="What a bound key may do with its agents; by default, everything.",
    )

    @model_validator(mode="after")
    def _has_rights_somewhere(self) -> Self:
        if self.rights and not self.agent_ids:
            raise ValueError("rights go with agent_ids: a key without agents has no limits")
        return self


class ApiKeyShown(Model):
    """An API key, without its secret."""

    id: str
    name: str
    last_four: str = Field(description="The last characters of the key.")
    created_at: str
    agent_ids: list[str] = Field(description="Empty if the key has no limits.")
    rights: list[Right] = Field(description="Empty if the key has no limits.")


class ApiKeyCreated(ApiKeyShown):
    """A new API key."""

    api_key: str = Field(description="The key itself, which is not shown again.")


def new_api_key(
    name: str, agent_ids: Sequence[str] = (), rights: Sequence[Right] = ()
) -> tuple[ApiKey, str]:
    """Create a key.

    Args:
        name: What it is for.
        agent_ids: The agents to which it is bound; without any, it has no limits.
        rights: What a bound key may do; without any, everything that can be granted.

    Returns:
        The key and its secret, which cannot be shown again.

    Raises:
        InvalidRequest: The name is blank, too long, or has characters that are not printable.
    """
    if not (name.strip() and len(name) <= LONGEST_NAME and name.isprintable()):
        raise InvalidRequest(
            f"The name of a key must be 1 to {LONGEST_NAME} printable characters, not only spaces."
        )
    secret = f"evr_{secrets.token_urlsafe(SECRET_BYTES)}"
    key = ApiKey(
        id=new_id("key"),
        name=name,
        hash=hash_secret(secret),
        last_four=secret[-4:],
        created_at=format_time(now_ms()),
        agent_ids=list(dict.fromkeys(agent_ids)),
        rights=list(dict.fromkeys(rights or RIGHTS)) if agent_ids else [],
    )
    return key, secret


def hash_secret(secret: str) -> str:
    """Return the hash by which a key's secret is recognised."""
    return sha256(secret.encode()).hexdigest()
