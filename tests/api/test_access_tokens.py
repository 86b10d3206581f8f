"""Access tokens: making them, showing them, and what ends them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI

from everruns.api.app import create_app
from everruns.capabilities.registry import load_capabilities
from everruns.domain.access_tokens import CHANNEL_RIGHTS
from everruns.domain.rights import RIGHTS, Grant
from everruns.ids import new_id, now_ms, parse_time
from everruns.registry.keys import ApiKeys
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings
from tests.api.credentials import Headers, bearer, client_of, key_headers, signed
from tests.waiting import PATIENCE_S

Serve = Callable[[FastAPI], object]
WaitUntil = Callable[..., Awaitable[None]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"auth": "api_keys"})


@pytest.fixture
async def owner(keys: ApiKeys) -> Headers:
    return (await key_headers(keys))[1]


async def agent_of(client: httpx.AsyncClient, headers: Headers, name: str = "clerk") -> str:
    wanted = {"name": name, "default_model_id": "simulated/simulated-1"}
    return (await client.post("/api/v1/agents", json=wanted, headers=headers)).json()["id"]


async def session_of(client: httpx.AsyncClient, headers: Headers) -> str:
    return (await client.post("/v1/sessions", json={}, headers=headers)).json()["id"]


async def token_for(client: httpx.AsyncClient, headers: Headers, **wanted: object) -> str:
    made = await client.post("/v1/access-tokens", json=wanted, headers=headers)
    assert made.status_code == 201, made.text
    return made.json()["access_token"]


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def test_a_token_is_shown_once_and_kept_nowhere(guarded: httpx.AsyncClient, owner: Headers):
    session_id = await session_of(guarded, owner)
    before = now_ms()

    made = await guarded.post(
        "/v1/access-tokens",
        json={"session_id": session_id, "rights": ["read"], "expires_in": 60},
        headers=owner,
    )

    token = made.json()
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    assert token.pop("access_token").startswith("evt_")
    assert before + 60_000 <= parse_time(token.pop("expires_at")) <= now_ms() + 60_000
    assert token == {
        "token_type": "Bearer",
        "expires_in": 60,
        "session_id": session_id,
        "rights": ["read"],
    }


async def test_a_token_opens_its_session_with_its_rights(
    guarded: httpx.AsyncClient, owner: Headers
):
    session_id, another = [await session_of(guarded, owner) for _ in range(2)]
    headers = bearer(await token_for(guarded, owner, session_id=session_id, rights=["read"]))

    assert (await guarded.get(f"/v1/sessions/{session_id}", headers=headers)).is_success
    answer = await guarded.get(f"/v1/sessions/{another}", headers=headers)
    assert refusal(answer) == (404, "SESSION_NOT_FOUND")
    answer = await guarded.post(
        f"/v1/sessions/{session_id}/messages", json={"content": "hi"}, headers=headers
    )
    assert refusal(answer) == (403, "FORBIDDEN")


async def test_a_token_of_a_channels_session_opens_it_there_too(
    guarded: httpx.AsyncClient, owner: Headers
):
    await agent_of(guarded, owner)
    made = await guarded.post(
        "/api/v1/channels/clerk/sessions", headers={**owner, "End-User": "alice"}
    )
    headers = bearer(await token_for(guarded, owner, session_id=made.json()["id"]))

    path = f"/api/v1/channels/clerk/sessions/{made.json()['id']}"
    assert (await guarded.get(path, headers=headers)).is_success


async def test_a_token_makes_no_tokens(guarded: httpx.AsyncClient, owner: Headers):
    agent_id = await agent_of(guarded, owner)
    token = await token_for(guarded, owner, agent_id=agent_id, rights=list(RIGHTS))

    for path, body in (
        ("/v1/access-tokens", {"agent_id": agent_id}),
        ("/api/v1/channels/clerk/runtime-auth", {}),
    ):
        answer = await guarded.post(path, json=body, headers={**bearer(token), "End-User": "alice"})
        assert refusal(answer) == (403, "FORBIDDEN")


@pytest.mark.parametrize("kind", ["session", "agent"])
async def test_nothing_is_made_for_what_is_not_there(
    guarded: httpx.AsyncClient, owner: Headers, kind: str
):
    answer = await guarded.post(
        "/v1/access-tokens", json={f"{kind}_id": new_id(kind)}, headers=owner
    )

    assert refusal(answer) == (404, f"{kind.upper()}_NOT_FOUND")


async def test_a_key_with_limits_passes_on_what_it_has(
    guarded: httpx.AsyncClient, keys: ApiKeys, owner: Headers
):
    own, other = [await agent_of(guarded, owner, name) for name in ("clerk", "doctor")]
    foreign = await session_of(guarded, owner)
    _, headers = await key_headers(keys, own, rights=["read", "decide"])

    async def made(**wanted: object) -> httpx.Response:
        return await guarded.post("/v1/access-tokens", json=wanted, headers=headers)

    assert (await made(agent_id=own, rights=["read"])).status_code == 201
    assert refusal(await made(agent_id=own, rights=["read", "send"])) == (403, "FORBIDDEN")
    assert refusal(await made(agent_id=other, rights=["read"])) == (404, "AGENT_NOT_FOUND")
    assert refusal(await made(session_id=foreign, rights=["read"])) == (404, "SESSION_NOT_FOUND")
    runtime_token = await guarded.post(
        "/api/v1/channels/clerk/runtime-auth", headers={**headers, "End-User": "alice"}
    )
    opened = await guarded.post(
        "/api/v1/channels/clerk/sessions", headers=bearer(runtime_token.json()["access_token"])
    )
    assert refusal(opened) == (403, "FORBIDDEN")


async def test_a_runtime_token_lets_one_end_user_use_the_channel(
    guarded: httpx.AsyncClient, owner: Headers
):
    await agent_of(guarded, owner)
    path = "/api/v1/channels/clerk"

    assert refusal(await guarded.post(f"{path}/runtime-auth", headers=owner)) == (
        400,
        "INVALID_REQUEST",
    )
    made = await guarded.post(f"{path}/runtime-auth", headers={**owner, "End-User": "alice"})

    token = made.json()
    assert made.headers["cache-control"] == "no-store"
    assert (token["token_type"], token["expires_in"]) == ("Bearer", 3600)
    assert token["virtual_user_id"] == "alice"
    headers = bearer(token["access_token"])
    session = (await guarded.post(f"{path}/sessions", headers=headers)).json()["id"]
    sent = await guarded.post(
        f"{path}/sessions/{session}/messages", json={"content": "hi"}, headers=headers
    )
    assert sent.status_code == 201
    as_bob = {**owner, "End-User": "bob"}
    assert (await guarded.get(f"{path}/sessions/{session}", headers=as_bob)).status_code == 404
    assert "manage_sessions" not in CHANNEL_RIGHTS
    deleted = await guarded.delete(f"/v1/sessions/{session}", headers=headers)
    assert refusal(deleted) == (403, "FORBIDDEN")


@pytest.mark.parametrize("shown", ["evt_", "evt_x.y", "Bearer evt_x.y"])
async def test_a_token_that_this_server_did_not_sign_is_refused(
    guarded: httpx.AsyncClient, shown: str
):
    answer = await guarded.get("/v1/sessions", headers={"Authorization": shown})

    assert refusal(answer) == (401, "UNAUTHORIZED")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_an_expired_token_says_so(guarded: httpx.AsyncClient, keys: ApiKeys, owner: Headers):
    key_id, _ = await key_headers(keys)
    session_id = await session_of(guarded, owner)
    grant = Grant(rights=["read"], session_id=session_id)

    answer = await guarded.get(
        f"/v1/sessions/{session_id}", headers=bearer(await signed(keys, grant, key_id, -1))
    )

    assert refusal(answer) == (401, "TOKEN_EXPIRED")


async def test_a_token_that_no_key_made_counts_only_where_none_is_required(
    guarded: httpx.AsyncClient, keys: ApiKeys, owner: Headers
):
    session_id = await session_of(guarded, owner)
    token = await signed(keys, Grant(rights=["read"], session_id=session_id))

    answer = await guarded.get(f"/v1/sessions/{session_id}", headers=bearer(token))

    assert refusal(answer) == (401, "UNAUTHORIZED")


async def test_a_revoked_key_takes_its_tokens_with_it(guarded: httpx.AsyncClient, keys: ApiKeys):
    key_id, headers = await key_headers(keys)
    session_id = await session_of(guarded, headers)
    token = bearer(await token_for(guarded, headers, session_id=session_id))
    path = f"/v1/sessions/{session_id}"
    assert (await guarded.get(path, headers=token)).is_success

    await keys.revoke(key_id)

    async with asyncio.timeout(PATIENCE_S):
        while (await guarded.get(path, headers=token)).is_success:
            # Nothing in this request waits, and the news must get in.
            await asyncio.sleep(0)
    assert refusal(await guarded.get(path, headers=token)) == (401, "UNAUTHORIZED")


async def test_an_archived_agents_sessions_stay_open_to_its_tokens(
    guarded: httpx.AsyncClient, owner: Headers
):
    agent_id = await agent_of(guarded, owner)
    made = await guarded.post("/v1/sessions", json={"agent_id": agent_id}, headers=owner)
    token = bearer(
        await token_for(
            guarded, owner, agent_id=agent_id, rights=["read", "create_sessions", "send"]
        )
    )

    await guarded.delete(f"/v1/agents/{agent_id}", headers=owner)

    assert (await guarded.get(f"/v1/sessions/{made.json()['id']}", headers=token)).is_success
    again = await guarded.post(f"/v1/agents/{agent_id}/sessions", json={}, headers=token)
    assert refusal(again) == (404, "AGENT_NOT_FOUND")


# In the query


@pytest.mark.parametrize(
    "stream",
    [
        "/v1/sessions/{session_id}/events",
        "/v1/sessions/{session_id}/sse",
        "/v1/channels/{channel}/sessions/{session_id}/events",
        "/api/v1/sessions/{session_id}/sse",
        "/api/v1/channels/{channel}/sessions/{session_id}/sse",
    ],
)
async def test_streams_take_a_token_in_the_query(
    guarded: httpx.AsyncClient, owner: Headers, stream: str
):
    agent_id = await agent_of(guarded, owner)
    made = await guarded.post(
        "/api/v1/channels/clerk/sessions", headers={**owner, "End-User": "alice"}
    )
    token = await token_for(guarded, owner, agent_id=agent_id, end_user="alice")
    path = stream.format(session_id=made.json()["id"], channel="clerk")

    opened = await guarded.head(f"{path}?after_sequence=0&token={token}")

    # /v1/…/sse only says where the streams are.
    assert opened.status_code == (404 if path.startswith("/v1") and "sse" in path else 200)


@pytest.mark.parametrize(
    "path",
    ["/v1/sessions/{}", "/v1/sessions", "/api/v1/sessions/{}/events", "/health", "/swagger-ui/"],
)
async def test_no_other_route_takes_a_token_in_the_query(
    guarded: httpx.AsyncClient, owner: Headers, path: str
):
    session_id = await session_of(guarded, owner)
    token = await token_for(guarded, owner, session_id=session_id)

    answer = await guarded.get(f"{path.format(session_id)}?token={token}")

    assert refusal(answer) == (401, "UNAUTHORIZED")
    assert "only streams" in answer.json()["error"]["message"]


async def test_an_api_key_in_the_query_is_refused_and_not_repeated(
    guarded: httpx.AsyncClient, owner: Headers
):
    session_id = await session_of(guarded, owner)
    secret = owner["Authorization"].removeprefix("Bearer ")

    answer = await guarded.get(f"/v1/sessions/{session_id}/events?token={secret}")

    assert refusal(answer) == (401, "UNAUTHORIZED")
    assert "only an access token" in answer.json()["error"]["message"]
    assert secret not in answer.text


@pytest.mark.parametrize("query", ["token={0}&token={0}", "token={0}&%74oken={0}"])
async def test_two_tokens_are_one_too_many(guarded: httpx.AsyncClient, owner: Headers, query: str):
    session_id = await session_of(guarded, owner)
    token = await token_for(guarded, owner, session_id=session_id)
    path = f"/v1/sessions/{session_id}/events"

    twice = await guarded.get(f"{path}?{query.format(token)}")
    both = await guarded.get(f"{path}?token={token}", headers=bearer(token))

    assert refusal(twice) == refusal(both) == (400, "INVALID_REQUEST")


# Without required credentials


@pytest.fixture
async def open_client(
    runtime: LocalRuntime, settings: Settings
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that requires nothing."""
    app = create_app(runtime, settings.model_copy(update={"auth": "none"}), load_capabilities())
    async with client_of(app) as client:
        yield client


async def test_where_nothing_is_required_a_token_has_its_limits_all_the_same(
    open_client: httpx.AsyncClient, keys: ApiKeys
):
    session_id, another = [await session_of(open_client, {}) for _ in range(2)]
    token = bearer(await token_for(open_client, {}, session_id=session_id, rights=["read"]))

    assert (await open_client.get(f"/v1/sessions/{session_id}", headers=token)).is_success
    answer = await open_client.get(f"/v1/sessions/{another}", headers=token)
    assert refusal(answer) == (404, "SESSION_NOT_FOUND")
    answer = await open_client.get("/v1/sessions", headers=bearer("evt_x.y"))
    assert refusal(answer) == (401, "UNAUTHORIZED")
    expired = await signed(keys, Grant(rights=["read"], session_id=session_id), None, -1)
    answer = await open_client.get(f"/v1/sessions/{session_id}", headers=bearer(expired))
    assert refusal(answer) == (401, "TOKEN_EXPIRED")


async def test_where_nothing_is_required_any_other_text_is_accepted(
    open_client: httpx.AsyncClient,
):
    for text in ("evr_nobody_asks", "x"):
        assert (await open_client.get("/v1/sessions", headers=bearer(text))).is_success


# The ends of streams


@pytest.mark.parametrize("path", ["/v1/sessions/{}/events", "/api/v1/sessions/{}/sse"])
async def test_an_expired_token_ends_its_stream_and_no_other(
    app: FastAPI, keys: ApiKeys, serve: Serve, wait_until: WaitUntil, path: str
):
    key_id, headers = await key_headers(keys)
    async with serve(app) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        path = path.format(session_id := await session_of(client, headers))
        grant = Grant(rights=["read"], session_id=session_id)
        brief = await signed(keys, grant, key_id, 2_000)
        async with (
            client.stream("GET", f"{path}?token={brief}") as expiring,
            client.stream("GET", path, headers=headers) as kept,
        ):
            assert expiring.is_success
            async with asyncio.timeout(PATIENCE_S):
                frames = (await expiring.aread()).decode()
            assert frames.endswith(
                'event: disconnecting\ndata: {"reason":"token_expired","retry_ms":100}\n\n'
            )
            again = await client.get(f"{path}?token={brief}")
            assert refusal(again) == (401, "TOKEN_EXPIRED")
            assert len(app.state.open_streams) == 1
            async for line in kept.aiter_lines():
                if line == ": heartbeat":
                    break


async def test_a_revoked_key_ends_the_streams_of_its_tokens(
    app: FastAPI, keys: ApiKeys, serve: Serve, wait_until: WaitUntil
):
    key_id, headers = await key_headers(keys)
    async with serve(app) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        session_id = await session_of(client, headers)
        token = await token_for(client, headers, session_id=session_id)
        path = f"/v1/sessions/{session_id}/events?token={token}"
        async with client.stream("GET", path) as stream:
            await wait_until(lambda: len(app.state.open_streams) == 1)
            await keys.revoke(key_id)
            async with asyncio.timeout(PATIENCE_S):
                frames = (await stream.aread()).decode()
        assert '"reason":"key_revoked"' in frames.splitlines()[-2]
