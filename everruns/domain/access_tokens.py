"""Access tokens: short-lived credentials with few rights, which a backend gives to a browser.

A token holds what it allows and is signed, so that every process can check it without asking. It is
``evt_``, the base64url of its claims as JSON, a dot, and the base64url of their HMAC-SHA256.

Source: docs/contract.md, "Access tokens"; docs/adr/0025-access-tokens.md.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from hmac import compare_digest, digest
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from everruns.domain.base import Model, Number
from everruns.domain.forms import PRINTABLE, id_form
from everruns.domain.rights import AgentRef, Grant, Principal, Right
from everruns.errors import TokenExpired, Unauthorized

PREFIX = "evt_"
DEFAULT_LIFE_S = 3600
LONGEST_LIFE_S = 24 * 3600
SHORTEST_LIFE_S = 60
# The longest that this server makes has some 900 characters.
LONGEST_TOKEN = 2048

DEFAULT_RIGHTS: tuple[Right, ...] = ("read", "send", "answer")
# What a channel lets an application do for its user.
CHANNEL_RIGHTS: tuple[Right, ...] = ("read", "send", "answer", "decide", "create_sessions")

EndUserName = Annotated[str, Field(pattern=PRINTABLE)]
Rights = Annotated[list[Right], Field(min_length=1, max_length=20)]


# What the validator below checks, for the OpenAPI document.
ONE_SCOPE: dict[str, Any] = {
    "if": {"required": ["session_id"], "properties": {"session_id": {"type": "string"}}},
    "then": {
        "properties": {
            "agent_id": {"type": "null"},
            "end_user": {"type": "null"},
            "rights": {"items": {"not": {"const": "create_sessions"}}},
        }
    },
    "else": {"required": ["agent_id"], "properties": {"agent_id": {"type": "string"}}},
}


class AccessTokenInput(Model):
    """Makes a token for one session, one agent, or one end user of an agent."""

    model_config = ConfigDict(json_schema_extra=ONE_SCOPE)

    session_id: Annotated[str, Field(pattern=id_form("session"))] | None = Field(
        None, description="Only this session."
    )
    agent_id: AgentRef | None = Field(None, description="The sessions of this agent.")
    end_user: EndUserName | None = Field(
        None, description="With `agent_id`: only the sessions of this end user."
    )
    rights: Rights = Field(list(DEFAULT_RIGHTS), description="What the token allows.")
    expires_in: Annotated[int, Field(ge=SHORTEST_LIFE_S, le=LONGEST_LIFE_S), Number] = Field(
        DEFAULT_LIFE_S, description="Seconds until the token expires."
    )

    @model_validator(mode="after")
    def _has_one_scope(self) -> Self:
        if (self.session_id is None) == (self.agent_id is None):
            raise ValueError("give either session_id or agent_id")
        if self.end_user is not None and self.agent_id is None:
            raise ValueError("end_user goes with agent_id; a session has its end user")
        if self.session_id is not None and "create_sessions" in self.rights:
            raise ValueError("rights: create_sessions goes with agent_id, not with session_id")
        return self


class AccessToken(Model):
    """A token, as it is shown once.

    The names of the first three fields are those of OAuth 2.0 (RFC 6749, section 5.1).
    """

    access_token: str = Field(description="Send it as `Authorization: Bearer …`.")
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - no secret
    expires_in: int = Field(description="Seconds until it expires.")
    expires_at: str
    session_id: str | None = None
    agent_id: str | None = None
    end_user: str | None = None
    rights: list[Right]


class Claims(Model):
    """What a token says.

    Attributes:
        grant: What it allows.
        key_id: The API key that made it; ``None`` where none was required.
        expires_ms: When it expires, in milliseconds since the epoch.
    """

    grant: Grant
    key_id: str | None = None
    expires_ms: int

    def principal(self) -> Principal:
        """Return the sender of a request with this token."""
        grant = self.grant
        scope = grant.session_id or f"{','.join(grant.agent_ids)}/{grant.end_user or ''}"
        return Principal(f"{self.key_id or ''} {scope}", self.key_id, grant, self.expires_ms)


def sign(claims: Claims, secret: bytes) -> str:
    """Return the token that says this."""
    body = _encode(claims.model_dump_json(exclude_none=True).encode())
    return f"{PREFIX}{body}.{_mac(body, secret)}"


def read_token(token: str, secret: bytes, now_ms: int) -> Claims:
    """Return what a token says; the time taken reveals nothing about the secret.

    Args:
        token: What a client has sent.
        secret: What tokens are signed with.
        now_ms: The time, in milliseconds since the epoch.

    Raises:
        Unauthorized: It is none of this server's.
        TokenExpired: Its time is over.
    """
    body, _, mac = token.removeprefix(PREFIX).partition(".")
    is_own = len(token) <= LONGEST_TOKEN and token.startswith(PREFIX) and token.isascii()
    if not (is_own and compare_digest(mac.encode(), _mac(body, secret).encode())):
        raise invalid_token()
    try:
        claims = Claims.model_validate_json(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (binascii.Error, ValidationError):
        # It was signed by another version of this server, with rights that are not known here.
        raise invalid_token() from None
    if claims.expires_ms <= now_ms:
        raise TokenExpired("The access token has expired. Get a new one from your backend.")
    return claims


def invalid_token() -> Unauthorized:
    """Return the error of a token that does not count, whatever the reason."""
    return Unauthorized("The access token is not valid. Get a new one from your backend.")


def _mac(body: str, secret: bytes) -> str:
    # The prefix is signed too, so that nothing else that is signed with this secret is a token.
    return _encode(digest(secret, f"{PREFIX}{body}".encode(), sha256))


def _encode(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
