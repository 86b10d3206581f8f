"""Routes that make access tokens.

Source: docs/contract.md, "Access tokens".
"""

from typing import Annotated

from fastapi import Body, Response

from everruns.api.http.key_ring import KeyRing
from everruns.api.http.parameters import TheKeys, TheRuntime
from everruns.api.http.routes import Routes
from everruns.api.http.senders import ThePrincipal
from everruns.domain.access_tokens import AccessToken, AccessTokenInput, Claims, sign
from everruns.domain.rights import Grant, Principal
from everruns.errors import AgentNotFound, SessionNotFound
from everruns.ids import format_time, now_ms
from everruns.runtime.runtime import Runtime

EXAMPLE = {
    "session_id": "session_01980000000070008000000000000001",
    "rights": ["read", "send"],
    "expires_in": 900,
}
# A credential is shown once and kept by nobody on the way.
NO_STORE = {"Cache-Control": "no-store"}

routes = Routes("access_tokens")


@routes.add("POST /access-tokens", is_for_keys=True, keeps_scope=True, status_code=201)
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
        session = await runtime.sessions.get(wanted.session_id)
        if own is not None and not own.covers(session):
            raise SessionNotFound(f"Session {session.id} not found")
        # Both never change. With them the token opens the session through its channel too.
        agent_ids = [session.agent_id] if session.agent_id else []
        end_user = session.end_user
    else:
        agent = await runtime.agents.get(wanted.agent_id or "")
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
