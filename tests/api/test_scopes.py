"""What a credential with limits sees and does of sessions, messages and forks in its scope."""

from functools import partial

import httpx
import pytest

from everruns.domain.rights import RIGHTS, Right
from everruns.registry.keys import ApiKeys
from everruns.settings import Settings
from tests.api.desks import SCOPES, Desk, code_of, desk_of


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"auth": "api_keys"})


@pytest.fixture
async def desk(guarded: httpx.AsyncClient, keys: ApiKeys) -> Desk:
    return await desk_of(guarded, keys)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("key", {"clerk", "alice", "ben"}),
        ("agent", {"clerk", "alice", "ben"}),
        ("end user", {"alice"}),
        ("session", {"alice"}),
    ],
)
@pytest.mark.parametrize("path", ["/v1/sessions", "/api/v1/sessions", "/v1/agents/{}/sessions"])
async def test_lists_of_sessions_show_what_is_in_scope(
    desk: Desk, scope: str, expected: set[str], path: str
):
    named = {desk.own["session_id"]: "alice"}
    made = await desk.client.post(
        "/v1/sessions", json={"agent_id": desk.own["agent_id"]}, headers=desk.owner
    )
    named[made.json()["id"]] = "clerk"
    made = await desk.client.post(
        f"/api/v1/channels/{desk.own['agent_id']}/sessions",
        headers={**desk.owner, "End-User": "ben"},
    )
    named[made.json()["id"]] = "ben"

    headers = await desk.credential(scope, ["read"])
    page = await desk.client.get(path.format(desk.own["agent_id"]), headers=headers)

    assert {named[session["id"]] for session in page.json()["data"]} == expected
    assert page.json()["total"] == len(expected)


@pytest.mark.parametrize("scope", SCOPES)
async def test_lists_of_agents_show_what_is_in_scope(desk: Desk, scope: str):
    headers = await desk.credential(scope, ["read_agents"])

    for search, count in (("", 1), ("?search=CLERK", 1), ("?search=doctor", 0)):
        page = (await desk.client.get(f"/v1/agents{search}", headers=headers)).json()
        assert [agent["id"] for agent in page["data"]] == [desk.own["agent_id"]] * count
        assert page["total"] == count


@pytest.mark.parametrize("scope", SCOPES)
async def test_agents_are_found_by_id_in_scope_alone_archived_or_not(desk: Desk, scope: str):
    own, other = desk.own["agent_id"], desk.others["agent_id"]
    headers = await desk.credential(scope, ["read_agents"])

    async def found(*ids: str) -> list[str]:
        page = await desk.client.get("/v1/agents", params={"id": ids}, headers=headers)
        return [agent["id"] for agent in page.json()["data"]]

    assert await found(own, other) == [own]
    assert await found(other) == []
    await desk.client.delete(f"/v1/agents/{own}", headers=desk.owner)
    assert await found(own, other) == [own]


@pytest.mark.parametrize("scope", ["key", "agent", "end user"])
@pytest.mark.parametrize("path", ["/v1/sessions", "/api/v1/sessions", "/v1/agents/{}/sessions"])
async def test_a_session_is_created_for_the_sender_and_of_its_agent_as_it_is(
    desk: Desk, scope: str, path: str
):
    agent_id = desk.own["agent_id"]
    headers = await desk.credential(scope, ["create_sessions", "read"])
    path = path.format(agent_id)

    made = await desk.client.post(path, json={"agent_id": agent_id, "title": "t"}, headers=headers)
    assert made.status_code == 201
    again = await desk.client.get(f"/v1/sessions/{made.json()['id']}", headers=headers)
    assert again.json()["agent_id"] == agent_id
    as_alice = await desk.client.get(
        f"/api/v1/channels/clerk/sessions/{made.json()['id']}",
        headers={**desk.owner, "End-User": "alice"},
    )
    assert as_alice.status_code == (200 if scope == "end user" else 404)

    changed = {"agent_id": agent_id, "system_prompt": "Obey.", "capabilities": ["web_fetch"]}
    refused = await desk.client.post(path, json=changed, headers=headers)
    assert (refused.status_code, code_of(refused)) == (403, "FORBIDDEN")
    assert "capabilities, system_prompt" in refused.json()["error"]["message"]


async def test_a_session_needs_an_agent_in_scope(desk: Desk):
    headers = await desk.credential("agent", ["create_sessions"])

    async def status(**wanted: str) -> tuple[int, str]:
        answer = await desk.client.post("/v1/sessions", json=wanted, headers=headers)
        return answer.status_code, code_of(answer)

    assert await status() == (400, "INVALID_REQUEST")
    assert await status(agent_name="clerk") == (201, "")
    assert await status(agent_name="doctor") == (404, "AGENT_NOT_FOUND")
    assert await status(agent_name="nobody") == (404, "AGENT_NOT_FOUND")
    assert await status(agent_id=desk.others["agent_id"]) == (404, "AGENT_NOT_FOUND")


@pytest.mark.parametrize("scope", SCOPES)
async def test_the_model_of_a_message_is_chosen_by_keys_without_limits_alone(
    desk: Desk, scope: str
):
    path = f"/v1/sessions/{desk.own['session_id']}/messages"
    chosen = {"content": "hi", "controls": {"model_id": "simulated/simulated-1"}}
    headers = await desk.credential(scope, ["send"])

    refused = await desk.client.post(path, json=chosen, headers=headers)
    assert (refused.status_code, code_of(refused)) == (403, "FORBIDDEN")
    assert (await desk.client.post(path, json=chosen, headers=desk.owner)).status_code == 201
    plain = await desk.client.post(path, json={"content": "hi"}, headers=headers)
    assert plain.status_code == 201


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_message_names_files_that_its_sender_may_read(desk: Desk, scope: str):
    path = f"/v1/sessions/{desk.own['session_id']}/messages"
    file = f"/v1/workspaces/{desk.own['workspace_id']}/raw/notes.txt"
    await desk.client.put(file, content=b"hi", headers=desk.owner)
    named = {"content": [{"type": "file", "path": "/notes.txt"}]}

    async def status(rights: list[Right]) -> int:
        headers = await desk.credential(scope, rights)
        return (await desk.client.post(path, json=named, headers=headers)).status_code

    assert await status(["send"]) == 403
    assert await status(["send", "read"]) == 201


async def test_a_message_names_no_files_of_a_workspace_that_sessions_share(desk: Desk):
    shared = await desk.client.post("/api/v1/workspaces", json={"name": "x"}, headers=desk.owner)
    wanted = {"agent_id": desk.own["agent_id"], "workspace_id": shared.json()["id"]}
    session = (await desk.client.post("/v1/sessions", json=wanted, headers=desk.owner)).json()
    headers = await desk.credential("agent", ["send", "read"])

    refused = await desk.client.post(
        f"/v1/sessions/{session['id']}/messages",
        json={"content": [{"type": "file", "path": "/notes.txt"}]},
        headers=headers,
    )

    assert (refused.status_code, code_of(refused)) == (403, "FORBIDDEN")


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_retry_and_a_change_leave_a_session_the_model_and_tools_of_its_agent(
    desk: Desk, scope: str
):
    path = f"/v1/sessions/{desk.own['session_id']}"
    headers = await desk.credential(scope, ["send", "manage_sessions"])

    chosen = {"controls": {"model_id": "simulated/simulated-1"}}
    retried = await desk.client.post(f"{path}/retry", json=chosen, headers=headers)
    assert (retried.status_code, code_of(retried)) == (403, "FORBIDDEN")
    for change in ({"model_id": "simulated/simulated-1"}, {"tools": None}, {"controls": {}}):
        changed = await desk.client.patch(path, json=change, headers=headers)
        assert (changed.status_code, code_of(changed)) == (403, "FORBIDDEN")
    titled = await desk.client.patch(path, json={"title": "t", "tags": ["a"]}, headers=headers)
    assert (titled.status_code, titled.json()["end_user"]) == (200, "alice")


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("query", ["end_user=alice", "tag=vip", "agent_id={other}", "search=vip"])
async def test_filters_find_nothing_out_of_scope_and_count_nothing_there(
    desk: Desk, scope: str, query: str
):
    for agent_id in (desk.others["agent_id"], None):
        wanted = {"agent_id": agent_id, "end_user": "alice", "tags": ["vip"], "title": "vip"}
        made = await desk.client.post("/v1/sessions", json=wanted, headers=desk.owner)
        assert made.status_code == 201
    headers = await desk.credential(scope, ["read"])
    own = {desk.own["session_id"]} if query == "end_user=alice" else set[str]()

    query = query.format(other=desk.others["agent_id"])
    page = (await desk.client.get(f"/v1/sessions?{query}", headers=headers)).json()

    assert {session["id"] for session in page["data"]} == own
    assert page["total"] == len(own)


async def test_a_token_of_an_end_user_opens_the_channel_for_nobody_else(desk: Desk):
    headers = await desk.credential("end user", ["read", "create_sessions"])
    path = "/api/v1/channels/clerk/sessions"

    made = await desk.client.post(path, headers=headers)
    as_bob = await desk.client.get(path, headers={**headers, "End-User": "bob"})

    assert made.status_code == 201
    listed = (await desk.client.get(path, headers={**headers, "End-User": "alice"})).json()
    assert {session["id"] for session in listed["data"]} == {
        made.json()["id"],
        desk.own["session_id"],
    }
    assert (as_bob.status_code, code_of(as_bob)) == (403, "FORBIDDEN")


async def test_a_token_of_a_session_sees_no_other_in_its_channel(desk: Desk):
    path = "/api/v1/channels/clerk/sessions"
    another = await desk.client.post(path, headers={**desk.owner, "End-User": "alice"})
    headers = await desk.credential("session", ["read"])

    listed = (await desk.client.get(path, headers=headers)).json()

    assert [session["id"] for session in listed["data"]] == [desk.own["session_id"]]
    answer = await desk.client.get(f"{path}/{another.json()['id']}", headers=headers)
    assert answer.status_code == 404


async def test_a_workspace_that_sessions_share_is_in_no_scope(desk: Desk):
    shared = await desk.client.post(
        "/api/v1/workspaces", json={"name": "shared"}, headers=desk.owner
    )
    headers = await desk.credential("agent", ["read", "files"])

    answer = await desk.client.get(f"/api/v1/workspaces/{shared.json()['id']}/fs", headers=headers)

    assert (answer.status_code, code_of(answer)) == (404, "WORKSPACE_NOT_FOUND")


async def test_a_key_and_its_tokens_share_no_answers_to_retried_requests(desk: Desk):
    path = f"/v1/agents/{desk.own['agent_id']}/sessions"
    one = await desk.credential("end user", ["create_sessions"])
    renewed = await desk.credential("end user", ["create_sessions", "read"])
    senders = {"key": desk.owner, "one": one, "renewed": renewed}
    senders["agent"] = await desk.credential("agent", ["create_sessions"])

    ids = {
        name: (
            await desk.client.post(path, json={}, headers={**headers, "Idempotency-Key": "k"})
        ).json()["id"]
        for name, headers in senders.items()
    }

    assert ids["one"] == ids["renewed"]
    assert len(set(ids.values())) == 3


@pytest.mark.parametrize("scope", ["key", "agent", "end user"])
@pytest.mark.parametrize("face", ["/v1", "/api/v1"])
async def test_a_fork_is_of_the_same_agent_and_the_same_end_user(desk: Desk, scope: str, face: str):
    headers = await desk.credential(scope, ["create_sessions", "read"])
    path = f"{face}/sessions/{desk.own['session_id']}/fork"

    made = await desk.client.post(path, json={"title": "t"}, headers=headers)

    assert made.status_code == 201, made.text
    assert made.json()["agent_id"] == desk.own["agent_id"]
    assert made.json()["end_user"] == "alice"
    assert made.json()["workspace_id"] != desk.own["workspace_id"]
    again = await desk.client.get(f"/v1/sessions/{made.json()['id']}", headers=headers)
    assert again.json()["title"] == "t"


@pytest.mark.parametrize("scope", ["key", "agent", "end user"])
async def test_files_of_a_shared_workspace_do_not_leave_it_by_a_fork(desk: Desk, scope: str):
    post = partial(desk.client.post, headers=desk.owner)
    shared = (await post("/api/v1/workspaces", json={"name": "shared"})).json()["id"]
    wanted = {"agent_id": desk.own["agent_id"], "end_user": "alice", "workspace_id": shared}
    session = (await post("/v1/sessions", json=wanted)).json()["id"]
    headers = await desk.credential(scope, ["create_sessions", "read"])
    path = f"/v1/sessions/{session}/fork"

    assert (await desk.client.post(path, json={}, headers=headers)).status_code == 403
    made = await desk.client.post(path, json={"files": "none"}, headers=headers)
    assert made.status_code == 201, made.text


async def test_who_may_not_read_a_session_is_not_shown_its_history_by_a_fork(desk: Desk):
    headers = await desk.credential("key", ["create_sessions"])
    path = f"/v1/sessions/{desk.own['session_id']}/fork"
    made = (await desk.client.post(path, json={}, headers=headers)).json()
    assert "preview" not in made
    assert "output_preview" not in made


@pytest.mark.parametrize("kind", ["capabilities.prepared", "tool.suspended"])
async def test_what_an_agent_is_made_of_is_only_for_those_who_may_read_agents(
    desk: Desk, kind: str
):
    path = f"/v1/sessions/{desk.own['session_id']}/events/list?types={kind}"
    for rights, status in ((["read"], 400), (["read", "read_agents"], 200)):
        headers = await desk.credential("session", rights)
        assert (await desk.client.get(path, headers=headers)).status_code == status


@pytest.mark.parametrize(
    "body", [{"system_prompt": "Obey."}, {"model_id": "simulated/x"}, {"files": "share"}]
)
async def test_a_sender_with_limits_forks_a_session_of_the_agent_as_it_is(desk: Desk, body: dict):
    headers = await desk.credential("end user", list(RIGHTS))
    path = f"/v1/sessions/{desk.own['session_id']}/fork"

    refused = await desk.client.post(path, json=body, headers=headers)

    assert (refused.status_code, code_of(refused)) == (403, "FORBIDDEN")
    assert next(iter(body)) in refused.json()["error"]["message"]
