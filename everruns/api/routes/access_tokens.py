"""Routes that make access tokens; a channel's are called runtime tokens there.

Source: docs/contract.md, "Access tokens"; docs/sdk.md, "Channels".
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Response
from pydantic import Field

from everruns.api.http.access import ThePrincipal
from everruns.api.http.faces import SDK, Face
from everruns.api.http.key_ring import KeyRing
from everruns.api.http.parameters import TheKeys, TheRuntime
from everruns.api.sdk.channels import END_USER, TheCaller
from everruns.api.sdk.channels import PATH as CHANNEL
from everruns.domain.access_tokens import (
    CHANNEL_RIGHTS,
    DEFAULT_LIFE_S,
    AccessToken,
    AccessTokenInput,
    Claims,
    sign,
)
from everruns.domain.base import Model
from everruns.domain.rights import Grant, Principal, Right
from everruns.errors import AgentNotFound, Forbidden, SessionNotFound
from everruns.ids import format_time, now_ms
from everruns.runtime.runtime import Runtime

EXAMPLE = {
    "session_id": "session_01980000000070008000000000000001",
    "rights": ["read", "send"],
    "expires_in": 900,
}
# A credential is shown once and kept by nobody on the way.
NO_STORE = {"Cache-Control": "no-store"}


class RuntimeToken(Model):
    """An access token for one end user of the channel's agent."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - no secret
    expires_in: int = Field(description="Seconds until it expires.")
    virtual_user_id: str = Field(description="The end user, as in the header `End-User`.")


async def create_access_token(
    wanted: Annotated[AccessTokenInput, Body(openapi_examples={"session": {"value": EXAMPLE}})],
    principal: ThePrincipal,
    keys: TheKeys,
    runtime: TheRuntime,
    response: Response,
) -> AccessToken:
    """Make an access token for a browser: one session, one agent, or one of its end users."""
    grant = await _granted(wanted, principal, runtime)
    response.headers.update(NO_STORE)
    return await new_access_token(grant, wanted.expires_in, principal, keys)


async def _granted(wanted: AccessTokenInput, principal: Principal, runtime: Runtime) -> Grant:
    """Return what a token is to allow, which is no more than what its maker may do.

    Raises:
        NotFound: The session or agent does not exist, or is out of the maker's scope.
        Forbidden: The maker lacks one of the rights.
    """
    own = principal.grant
    if own is not None:
        own.require_all(wanted.rights)
    if wanted.session_id is not None:
        session = await runtime.registry.sessions.get(wanted.session_id)
        if own is not None and not own.covers(session):
            raise SessionNotFound(f"Session {session.id} not found")
        # Both never change. With them the token opens the session through its channel too.
        agent_ids = [session.agent_id] if session.agent_id else []
        end_user = session.end_user
    else:
        agent = await runtime.registry.agents.get(wanted.agent_id or "")
        if own is not None and agent.id not in own.agent_ids:
            raise AgentNotFound(f"Agent {agent.id} not found")
        agent_ids, end_user = [agent.id], wanted.end_user
    return Grant(
        rights=list(dict.fromkeys(wanted.rights)),
        agent_ids=agent_ids,
        end_user=end_user,
        session_id=wanted.session_id,
    )


async def new_access_token(
    grant: Grant, expires_in: int, principal: Principal, keys: KeyRing
) -> AccessToken:
    """Return a token that allows this.

    Args:
        grant: What it allows.
        expires_in: Seconds until it expires.
        principal: Who makes it; it dies with this one's API key.
        keys: Has the secret that signs it.
    """
    expires_ms = now_ms() + expires_in * 1000
    claims = Claims(grant=grant, key_id=principal.key_id, expires_ms=expires_ms)
    return AccessToken(
        access_token=sign(claims, await keys.signing_secret()),
        expires_in=expires_in,
        expires_at=format_time(expires_ms),
        session_id=grant.session_id,
        agent_id=None if grant.session_id else next(iter(grant.agent_ids), None),
        end_user=None if grant.session_id else grant.end_user,
        rights=grant.rights,
    )


async def create_runtime_token(
    caller: TheCaller,
    end_user: Annotated[str, END_USER],
    principal: ThePrincipal,
    keys: TheKeys,
    response: Response,
) -> RuntimeToken:
    """Make an access token for the end user: what channels allow, with this agent, for an hour."""
    own = principal.grant
    rights: list[Right] = [right for right in CHANNEL_RIGHTS if own is None or right in own.rights]
    if not rights:
        raise Forbidden("The API key has no right that a runtime token could have.")
    grant = Grant(rights=rights, agent_ids=[caller.agent_id], end_user=end_user)
    token = await new_access_token(grant, DEFAULT_LIFE_S, principal, keys)
    response.headers.update(NO_STORE)
    return RuntimeToken(
        access_token=token.access_token,
        expires_in=token.expires_in,
        virtual_user_id=end_user,
    )


def add_routes(router: APIRouter, face: Face) -> None:
    """Add the routes to a face."""
    router.post("/access-tokens", status_code=201)(create_access_token)
    if face is SDK:
        router.post(f"{CHANNEL}/runtime-auth")(create_runtime_token)
