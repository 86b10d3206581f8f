"""That a server of the catalogue wants OAuth, and as whom agents act there.

Source: docs/contract.md, "Resources", MCP server.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, SecretStr, model_validator

from everruns.domain.base import KIB, Model
from everruns.domain.forms import BASE_URL, PRINTABLE, SCOPE
from everruns.domain.headers import Sealed

ActsAs = Literal["user", "service"]
MAX_SCOPES = 50

Scope = Annotated[str, Field(pattern=SCOPE)]
ClientSecret = Annotated[
    SecretStr, Field(min_length=1, max_length=KIB, json_schema_extra={"pattern": r"^[!-~]+$"})
]

# What the validator below checks, for the OpenAPI document.
_NEEDED: dict[str, Any] = {
    "allOf": [
        {
            "if": {
                "required": ["client_secret"],
                "properties": {"client_secret": {"type": "string"}},
            },
            "then": {
                "required": ["client_id", "issuer"],
                "properties": {"client_id": {"type": "string"}, "issuer": {"type": "string"}},
            },
        },
        {
            "if": {"required": ["acts_as"], "properties": {"acts_as": {"const": "service"}}},
            "then": {
                "required": ["client_secret"],
                "properties": {"client_secret": {"type": "string"}},
            },
        },
    ]
}


class GivenMcpAuth(Model):
    """How a server wants to be authorized; a ``client_secret`` of ``***`` keeps the stored one."""

    model_config = ConfigDict(json_schema_extra=_NEEDED)

    type: Literal["oauth"] = "oauth"
    acts_as: ActsAs = Field(
        "user",
        description="`user`: each end user consents for themselves; `service`: the deployment has "
        "credentials of its own.",
    )
    scopes: Annotated[list[Scope], Field(max_length=MAX_SCOPES)] | None = Field(
        None, description="What to ask for; by default what the server names."
    )
    client_id: Annotated[str, Field(pattern=PRINTABLE)] | None = Field(
        None, description="A client that the authorization server knows already."
    )
    client_secret: ClientSecret | None = Field(
        None, description="Its secret, which is sent to `issuer` alone."
    )
    issuer: Annotated[str, Field(max_length=2048, pattern=BASE_URL)] | None = Field(
        None, description="The only authorization server that may be used."
    )

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        secret = self.client_secret
        if self.acts_as == "service" and secret is None:
            raise ValueError("acts_as service needs client_id, client_secret and issuer")
        if secret is not None and (self.client_id is None or self.issuer is None):
            raise ValueError("client_secret needs client_id, and the issuer to which it is sent")
        if secret is not None:
            value = secret.get_secret_value()
            if not (value.isascii() and value.isprintable()) or " " in value:
                raise ValueError("client_secret must be printable ASCII without blanks")
        return self


class McpAuth(Model):
    """The stored form, whose secret is encrypted."""

    type: Literal["oauth"] = "oauth"
    acts_as: ActsAs = "user"
    scopes: list[str] | None = None
    client_id: str | None = None
    client_secret: Sealed | None = None
    issuer: str | None = None
