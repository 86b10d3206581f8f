"""Routes of API keys, for keys without limits.

Source: docs/contract.md, "API keys".
"""

from typing import Annotated

from fastapi import Body, Response

from everruns.api.http.pages import page_of
from everruns.api.http.parameters import DEFAULT_LIMIT, KeyId, Limit, Offset, Search, TheRuntime
from everruns.api.http.routes import Routes
from everruns.api.routes.access_tokens import NO_STORE
from everruns.domain.base import Page
from everruns.domain.keys import ApiKeyCreated, ApiKeyInput, ApiKeyShown, new_api_key

EXAMPLE = {
    "name": "support desk",
    "agent_ids": ["agent_01980000000070008000000000000001"],
    "rights": ["read", "send", "answer", "create_sessions"],
}


routes = Routes("api_keys")


@routes.add("GET /api-keys")
async def list_api_keys(
    runtime: TheRuntime,
    search: Search = None,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[ApiKeyShown]:
    """List the API keys, newest first; the keys themselves are not stored."""
    keys = await runtime.keys.list()
    shown = [ApiKeyShown.model_validate(dict(key)) for key in reversed(keys)]
    return page_of(shown, offset, limit, search, lambda key: f"{key.id} {key.name}")


@routes.add("POST /api-keys", status_code=201)
async def create_api_key(
    wanted: Annotated[ApiKeyInput, Body(openapi_examples={"bound": {"value": EXAMPLE}})],
    runtime: TheRuntime,
    response: Response,
) -> ApiKeyCreated:
    """Create an API key and show it once."""
    key, secret = new_api_key(wanted.name, wanted.agent_ids, wanted.rights)
    await runtime.keys.add(key)
    response.headers.update(NO_STORE)
    return ApiKeyCreated.model_validate({**dict(key), "api_key": secret})


@routes.add("DELETE /api-keys/{key_id}", status_code=204)
async def revoke_api_key(key_id: KeyId, runtime: TheRuntime) -> None:
    """Revoke an API key: within a second it and its access tokens are refused."""
    await runtime.keys.revoke(key_id)
