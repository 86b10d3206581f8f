"""Who gives the input that a turn waits for."""

from typing import Annotated

from fastapi import Depends, Request

from everruns.api.http.auth import principal_of
from everruns.domain.approvals import Decider


async def decider_of(request: Request) -> Decider:
    """Return who a request speaks for: an end user of an application, or an operator.

    End users come through a channel that names them, or with an access token of their own.

    Source: docs/contract.md, "Approvals".
    """
    principal = principal_of(request.scope)
    end_user = request.headers.get("end-user") if "channel" in request.path_params else None
    if principal.role == "end_user" or end_user:
        own = principal.grant.end_user if principal.grant else None
        return Decider(kind="end_user", name=end_user or own or None)
    return Decider(kind="operator", name=principal.key_id)


TheDecider = Annotated[Decider, Depends(decider_of)]
