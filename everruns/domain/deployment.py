"""The deployment as a caller is shown it: what it is, and what the caller may do there.

Source: docs/contract.md, "Deployment".
"""

from typing import Any, Literal

from pydantic import Field

from everruns.domain.base import Model
from everruns.domain.rights import Right

CallerKind = Literal["anybody", "api_key", "access_token"]


class OwnKey(Model):
    """The API key that a caller shows, without its secret."""

    id: str
    name: str
    last_four: str
    created_at: str


class CallerAccess(Model):
    """What the sender of a request may do."""

    kind: CallerKind = Field(description="`anybody` if no credential is required and none shown.")
    has_limits: bool = Field(description="Without limits everything is allowed.")
    rights: list[Right] = Field(description="All of them without limits.")
    agent_ids: list[str] = Field(description="The agents in scope; empty without limits.")
    session_id: str | None = Field(None, description="The only session in scope.")
    end_user: str | None = Field(None, description="The only end user in scope.")
    expires_at: str | None = Field(None, description="When the access token expires.")
    key: OwnKey | None = Field(None, description="The API key, if one was shown.")


class ShownSetting(Model):
    """A setting of the deployment; those that hold secrets have no value."""

    name: str
    description: str
    value: Any | None = None
    is_set: bool = Field(description="Whether it has a value.")
    is_default: bool = Field(description="Whether that is the default.")
    is_secret: bool


class Deployment(Model):
    """What a deployment is, for the caller."""

    version: str
    auth: Literal["none", "api_keys"]
    docs: bool = Field(description="Whether /swagger-ui/ is served.")
    usage: bool = Field(description="Whether the caller can read /v1/usage.")
    sql: bool = Field(description="Whether the caller can use /v1/sql.")
    caller: CallerAccess
    settings: list[ShownSetting] | None = Field(
        None,
        description="For callers without limits, unless anybody on the network is one.",
    )
