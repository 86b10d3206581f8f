"""API keys and access tokens for tests."""

from everruns.domain.access_tokens import Claims, sign
from everruns.domain.keys import new_api_key
from everruns.domain.rights import Grant, Right
from everruns.ids import now_ms
from everruns.registry.keys import ApiKeys

Headers = dict[str, str]


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
