"""API keys and access tokens for tests, and clients to show them with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from everruns.domain.access_tokens import Claims, sign
from everruns.domain.keys import new_api_key
from everruns.domain.rights import Grant, Right
from everruns.ids import now_ms
from everruns.registry.keys import ApiKeys

Headers = dict[str, str]


@asynccontextmanager
async def client_of(
    app: FastAPI, headers: Headers | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that follows its API keys, in this process."""
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost", headers=headers
        ) as client,
    ):
        yield client


def bearer(secret: str) -> Headers:
    """The header that brings a credential."""
    return {"Authorization": f"Bearer {secret}"}


async def key_headers(
    keys: ApiKeys, *agent_ids: str, rights: list[Right] | None = None
) -> tuple[str, Headers]:
    """Create an API key; return its id and the header that brings it."""
    key, secret = new_api_key("laptop", agent_ids, rights or ())
    await keys.add(key)
    return key.id, bearer(secret)


async def signed(
    keys: ApiKeys, grant: Grant, key_id: str | None = None, life_ms: int = 60_000
) -> str:
    """An access token as the server would make it, of any life."""
    known = await keys.read(None, 0)
    assert known is not None
    claims = Claims(grant=grant, key_id=key_id, expires_ms=now_ms() + life_ms)
    return sign(claims, known.signing_secret)
