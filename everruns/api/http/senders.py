"""Who sends a request, as parameters of routes."""

from typing import Annotated

from fastapi import Depends, Request

from everruns.api.http.auth import principal_of
from everruns.domain.approvals import Decider
from everruns.domain.rights import Grant, Principal


async def _principal(request: Request) -> Principal:
    return principal_of(request.scope)


async def _grant(request: Request) -> Grant | None:
    return principal_of(request.scope).grant


async def _decider(request: Request) -> Decider:
    # End users come through a channel that names them, or with an access token of their own.
    principal = principal_of(request.scope)
    end_user = request.headers.get("end-user") if "channel" in request.path_params else None
    if principal.role == "end_user" or end_user:
        own = principal.grant.end_user if principal.grant else None
        return Decider(kind="end_user", name=end_user or own or None)
    return Decider(kind="operator", name=principal.key_id)


ThePrincipal = Annotated[Principal, Depends(_principal)]
"""The sender."""

TheGrant = Annotated[Grant | None, Depends(_grant)]
"""What the sender is limited to; ``None`` without limits."""

TheDecider = Annotated[Decider, Depends(_decider)]
"""Who gives the input that a turn waits for: an operator, or an end user of an application.

Source: docs/contract.md, "Approvals".
"""
