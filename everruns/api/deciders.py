"""Who gives the input that a turn waits for."""

from typing import Annotated

from fastapi import Depends, Request

from everruns.api.auth import api_key_id
from everruns.domain.approvals import Decider


async def decider_of(request: Request) -> Decider:
    """Return who a request speaks for: an end user of a channel, or the operator of an API key.

    Source: docs/contract.md, "Approvals".
    """
    end_user = request.headers.get("end-user")
    if end_user and "channel" in request.path_params:
        return Decider(kind="end_user", name=end_user)
    return Decider(kind="operator", name=api_key_id(request.scope))


TheDecider = Annotated[Decider, Depends(decider_of)]
