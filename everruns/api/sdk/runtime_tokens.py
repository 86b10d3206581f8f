"""The route that makes runtime tokens: access tokens for one end user of a channel.

Source: docs/sdk.md, "Channels".
"""

from typing import Annotated, Literal

from fastapi import Response
from pydantic import Field

from everruns.api.http.parameters import TheKeys
from everruns.api.http.routes import Routes
from everruns.api.http.senders import ThePrincipal
from everruns.api.routes.access_tokens import NO_STORE, new_access_token
from everruns.api.routes.channels import END_USER, TheCaller
from everruns.domain.access_tokens import CHANNEL_RIGHTS, DEFAULT_LIFE_S
from everruns.domain.base import Model
from everruns.domain.rights import Grant, Right
from everruns.errors import Forbidden

routes = Routes("access_tokens")


class RuntimeToken(Model):
    """An access token for one end user of the channel's agent."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - no secret
    expires_in: int = Field(description="Seconds until it expires.")
    virtual_user_id: str = Field(description="The end user, as in the header `End-User`.")


@routes.add("POST /channels/{channel}/runtime-auth", is_for_keys=True)
async def create_runtime_token(
    caller: TheCaller,
    end_user: Annotated[str, END_USER],
    principal: ThePrincipal,
    keys: TheKeys,
    response: Response,
) -> RuntimeToken:
    """Make an access token for the end user: all that a channel allows, for an hour."""
    own = principal.grant
    rights: list[Right] = [right for right in CHANNEL_RIGHTS if own is None or right in own.rights]
    if not rights:
        raise Forbidden("The API key has none of the rights that a runtime token can have.")
    grant = Grant(rights=rights, agent_ids=[caller.agent_id], end_user=end_user)
    token = await new_access_token(grant, DEFAULT_LIFE_S, principal, keys)
    response.headers.update(NO_STORE)
    return RuntimeToken(
        access_token=token.access_token,
        expires_in=token.expires_in,
        virtual_user_id=end_user,
    )
