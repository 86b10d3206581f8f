"""The route that forks a session."""

import asyncio
from typing import Any

import httpx
import pytest

from everruns.domain.messages import ToolResultPart
from everruns.runtime.local import LocalRuntime
from tests.scripts import ScriptedDriver, call, calls, says

JSON = {"Accept": "application/json"}


@pytest.fixture(params=["/v1", "/api/v1"])
async def at(request: pytest.FixtureRequest, client: httpx.AsyncClient) -> str:
    """The address of a session with the simulated model and much to carry over."""
    wanted = {
        "model_id": "simulated/simulated-1",
        "title": "Trip",
        "tags": ["a"],
        "metadata": {"order": 17},
        "end_user": "alice",
        "system_prompt": "Be brief.",
        "initial_files": [{"path": "/notes.txt", "content": "first"}],
    }
    session = (await client.post("/v1/sessions", json=wanted)).json()
    return f"{request.param}/sessions/{session['id']}"


def script(runtime: LocalRuntime, *steps: Any) -> ScriptedDriver:
    driver = ScriptedDriver(*steps)

    async def scripted(_account: object) -> ScriptedDriver:
        return driver

    runtime.host.environment.driver = scripted
    return driver


async def said(client: httpx.AsyncClient, at: str, text: str) -> None:
    sent = await client.post(f"{at}/messages", json={"content": text})
    assert sent.status_code == 201, sent.text
    for _ in range(2000):
        if (await client.get(at)).json()["status"] == "idle":
            return
    raise AssertionError("the turn did not end")


async def forked(client: httpx.AsyncClient, at: str, **body: Any) -> tuple[dict[str, Any], str]:
    """Fork a session; return the fork and its address."""
    response = await client.post(f"{at}/fork", json=body)
    assert response.status_code == 201, response.text
    fork = response.json()
    return fork, f"{at.rpartition('/')[0]}/{fork['id']}"


async def texts(client: httpx.AsyncClient, at: str) -> list[str]:
    page = (await client.get(f"{at}/messages", params={"limit": 100})).json()
    return [part.get("text", "") for message in page["data"] for part in message["content"]]


async def log_of(client: httpx.AsyncClient, at: str) -> list[dict[str, Any]]:
    path = at.replace("/api/v1", "/v1")
    return (await client.get(f"{path}/events", headers=JSON)).json()["data"]


async def file_of(client: httpx.AsyncClient, session: dict[str, Any]) -> str | None:
    found = await client.get(f"/v1/workspaces/{session['workspace_id']}/fs/notes.txt")
    return found.json().get("content")


async def test_a_fork_has_the_history_and_the_settings_and_goes_its_own_way(
    client: httpx.AsyncClient, at: str
):
    await said(client, at, "one")
    source = (await client.get(at)).json()
    fork, there = await forked(client, at)
    await said(client, there, "two")

    assert fork["forked_from_session_id"] == source["id"]
    assert fork["forked_from_sequence"] == 4
    assert (fork["status"], fork["preview"]) == ("idle", "one")
    assert fork["output_preview"] == source["output_preview"]
    for name in ("title", "tags", "metadata", "end_user", "system_prompt", "model_id"):
        assert fork[name] == source[name]
    assert (await texts(client, there))[:2] == await texts(client, at)
    assert len(await texts(client, there)) == 4
    assert (await client.get(at)).json() == source
    listed = (await client.get(there.rpartition("/")[0])).json()["data"]
    assert {item.get("forked_from_session_id") for item in listed} == {None, source["id"]}


async def test_a_fork_begins_at_its_events_and_tells_so(client: httpx.AsyncClient, at: str):
    await said(client, at, "one")
    fork, there = await forked(client, at)

    own, copied = await log_of(client, at), await log_of(client, there)

    assert [event["sequence"] for event in copied] == [1, 2, 3, 4, 5]
    assert [event["type"] for event in copied[:4]] == [event["type"] for event in own]
    assert {event["session_id"] for event in copied} == {fork["id"]}
    assert copied[0]["data"]["message"]["session_id"] == fork["id"]
    assert copied[4]["type"] == "session.forked"
    assert copied[4]["data"] == {
        "forked_from_session_id": own[0]["session_id"],
        "forked_from_sequence": 4,
    }


async def test_an_event_of_a_fork_is_a_cursor_of_the_fork(client: httpx.AsyncClient, at: str):
    await said(client, at, "one")
    _, there = await forked(client, at)
    events = f"{there}/events"

    listed = (await client.get(events, headers=JSON)).json()["data"]
    rest = await client.get(events, params={"since_id": listed[0]["id"]}, headers=JSON)
    own = (await client.get(f"{at}/events", headers=JSON)).json()["data"]
    strange = await client.get(events, params={"since_id": own[0]["id"]}, headers=JSON)

    assert rest.json()["data"] == listed[1:]
    assert listed[-1]["type"] == "session.forked"
    assert strange.status_code == 400


async def test_a_session_is_rewound_to_before_a_turn(client: httpx.AsyncClient, at: str):
    for text in ("one", "two", "three"):
        await said(client, at, text)
    own = await log_of(client, at)
    second = next(event for event in own if event["sequence"] == 6)

    by_sequence, there = await forked(client, at, sequence=4)
    by_id, _ = await forked(client, at, event_id=own[3]["id"])
    moved, _ = await forked(client, at, event_id=second["id"], inside_turn="before")

    assert {fork["forked_from_sequence"] for fork in (by_sequence, by_id, moved)} == {4}
    assert len(await texts(client, there)) == 2


async def test_a_fork_inside_a_turn_is_refused_with_what_is_possible(
    client: httpx.AsyncClient, at: str
):
    await said(client, at, "one")
    total = (await client.get("/v1/sessions")).json()["total"]

    refused = await client.post(f"{at}/fork", json={"sequence": 2})

    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "CONFLICT")
    assert "Fork at sequence 0" in refused.json()["error"]["message"]
    assert "or 4, after it" in refused.json()["error"]["message"]
    assert (await client.get("/v1/sessions")).json()["total"] == total


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"sequence": 5}, "INVALID_REQUEST"),
        ({"sequence": -1}, "INVALID_REQUEST"),
        ({"event_id": f"event_{'0' * 32}"}, "INVALID_CURSOR"),
        ({"sequence": 4, "event_id": f"event_{'0' * 32}"}, "INVALID_REQUEST"),
        ({"model_id": "nope/x"}, "UNKNOWN_MODEL"),
        ({"capabilities": ["nope"]}, "UNKNOWN_CAPABILITY"),
        ({"files": "all"}, "INVALID_REQUEST"),
    ],
)
async def test_a_fork_that_cannot_be_is_refused(
    client: httpx.AsyncClient, at: str, body: dict, code: str
):
    await said(client, at, "one")
    refused = await client.post(f"{at}/fork", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, code)


async def test_a_fork_of_nothing_is_an_empty_session_of_the_same_settings(
    client: httpx.AsyncClient, at: str
):
    await said(client, at, "one")
    fork, there = await forked(client, at, sequence=0)

    assert (fork["status"], fork["title"], fork.get("preview")) == ("started", "Trip", None)
    assert fork["forked_from_sequence"] == 0
    assert await log_of(client, there) == []
    await said(client, there, "again")


async def test_fields_that_are_given_differ_in_the_fork(client: httpx.AsyncClient, at: str):
    await said(client, at, "one")
    changes = {"title": "Other", "tags": ["b"], "system_prompt": None, "metadata": None}
    fork, there = await forked(client, at, **changes)

    assert (fork["title"], fork["tags"], fork["metadata"]) == ("Other", ["b"], {})
    assert "system_prompt" not in fork or fork["system_prompt"] is None
    assert (await client.get(there)).json() == fork


async def test_usage_starts_at_zero_and_budgets_stay_behind(client: httpx.AsyncClient, at: str):
    await said(client, at, "one")
    budget = {"subject_type": "session", "subject_id": at.rpartition("/")[2]}
    budget |= {"currency": "tokens", "limit": 1000}
    made = (await client.post("/v1/budgets", json=budget)).json()
    spent = (await client.get(at)).json()["usage"]["input_tokens"]
    fork, there = await forked(client, at)
    await said(client, there, "two")

    assert fork["usage"]["input_tokens"] == 0
    used = (await client.get(there)).json()["usage"]["input_tokens"]
    last = [event for event in await log_of(client, there) if event["type"] == "message.created"]
    assert used == last[-1]["data"]["usage"]["input_tokens"]
    assert spent > 0
    ledger = await client.get(f"/v1/budgets/{made['id']}/ledger")
    assert ledger.json()["data"] == []


async def test_files_are_copied_shared_or_left_as_asked(client: httpx.AsyncClient, at: str):
    source = (await client.get(at)).json()
    copy, _ = await forked(client, at)
    shared, _ = await forked(client, at, files="share")
    bare, _ = await forked(client, at, files="none")
    notes = f"/v1/workspaces/{source['workspace_id']}/fs/notes.txt"
    await client.put(notes, json={"content": "second"})

    assert [await file_of(client, fork) for fork in (copy, shared, bare)] == [
        "first",
        "second",
        None,
    ]
    assert shared["workspace_id"] == source["workspace_id"]
    assert (await client.delete(at)).status_code == 204
    assert await file_of(client, shared) == "second"
    listed = (await client.get("/v1/workspaces")).json()["data"]
    assert [workspace["id"] for workspace in listed] == [source["workspace_id"]]


async def test_a_fork_keeps_its_history_when_its_source_is_deleted(
    client: httpx.AsyncClient, at: str
):
    await said(client, at, "one")
    fork, there = await forked(client, at)
    await client.delete(at)

    assert len(await texts(client, there)) == 2
    assert (await client.get(there)).json() == fork
    assert (await client.post(f"{at}/fork")).status_code == 404


async def test_a_key_forks_once(client: httpx.AsyncClient, at: str):
    await said(client, at, "one")
    key = {"Idempotency-Key": "k"}

    first = await client.post(f"{at}/fork", headers=key)
    await said(client, at, "two")
    again = await client.post(f"{at}/fork", headers=key)
    other = await client.post(f"{at}/fork", json={"sequence": 0}, headers=key)

    assert first.content == again.content
    assert (other.status_code, other.json()["error"]["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")


async def test_a_fork_of_a_fork_and_a_fork_at_the_fork_itself(client: httpx.AsyncClient, at: str):
    await said(client, at, "one")
    first, there = await forked(client, at)
    second, beyond = await forked(client, there)
    early, _ = await forked(client, there, sequence=4)
    await said(client, beyond, "two")

    assert (second["forked_from_session_id"], second["forked_from_sequence"]) == (first["id"], 5)
    assert early["forked_from_sequence"] == 4
    types = [event["type"] for event in await log_of(client, beyond)]
    assert types[4:6] == ["session.forked", "session.forked"]


async def test_a_session_whose_turn_runs_is_forked_before_that_turn(
    client: httpx.AsyncClient, runtime: LocalRuntime, at: str
):
    ask = {"name": "ask", "description": "Ask.", "parameters": {"type": "object"}}
    script(runtime, says("First."), calls(call("ask", "call_1")), says("Second."), says("Third."))
    await client.patch(at, json={"tools": [ask]})
    await said(client, at, "one")
    await client.post(f"{at}/messages", json={"content": "two"})
    for _ in range(2000):
        if (await client.get(at)).json()["status"] == "waitingfortoolresults":
            break

    fork, there = await forked(client, at)
    refused = await client.post(f"{at}/fork", json={"sequence": 6, "inside_turn": "after"})
    given = {"tool_results": [{"tool_call_id": "call_1", "result": 1}]}
    assert (await client.post(f"{at}/tool-results", json=given)).status_code in {200, 202}
    await said(client, there, "other")

    assert fork["forked_from_sequence"] == 4
    assert (fork["status"], fork["waiting_for"]) == ("idle", [])
    assert refused.status_code == 409
    assert (await texts(client, there))[:3] == ["one", "First.", "other"]


async def test_a_fork_after_a_retry_has_what_the_retry_left(
    client: httpx.AsyncClient, runtime: LocalRuntime, at: str
):
    script(runtime, says("Wrong."), says("Right."), says("Next."), says("Again."))
    await said(client, at, "one")
    await client.post(f"{at}/retry")
    for _ in range(2000):
        if (await client.get(at)).json()["status"] == "idle":
            break

    after, there = await forked(client, at)
    before, early = await forked(client, at, sequence=4)
    await said(client, there, "two")
    retried = await client.post(f"{early}/retry")

    assert (await texts(client, there))[:3] == ["one", "Right.", "two"]
    assert (after["output_preview"], before["output_preview"]) == ("Right.", "Wrong.")
    assert retried.status_code == 201


async def test_an_imported_session_is_forked_like_any_other(client: httpx.AsyncClient, at: str):
    lines = (
        '{"role": "user", "content": [{"type": "text", "text": "19 + 23?"}]}\n'
        '{"role": "agent", "content": [{"type": "text", "text": "42."}]}\n'
    )
    base = at.rpartition("/")[0]
    imported = (await client.post(f"{base}/import", content=lines)).json()

    _, there = await forked(client, f"{base}/{imported['id']}")

    assert await texts(client, there) == ["19 + 23?", "42."]
    exported = await client.get(f"{there}/export")
    assert exported.text.count("\n") == 2


async def test_the_model_reads_the_history_and_then_what_is_said_to_the_fork(
    client: httpx.AsyncClient, runtime: LocalRuntime, at: str
):
    driver = script(
        runtime, calls(call("current_time", "call_1")), says("Late."), says("Yes."), says("No.")
    )
    await client.patch(at, json={"capabilities": ["current_time"]})
    await said(client, at, "When?")
    _, there = await forked(client, at)
    await said(client, there, "Sure?")
    of_fork = driver.requests[-1].messages
    await said(client, at, "Sure?")
    of_source = driver.requests[-1].messages

    assert [message.role for message in of_fork] == [
        "user",
        "agent",
        "tool_result",
        "agent",
        "user",
    ]
    assert [m.content for m in of_fork[:4]] == [m.content for m in of_source[:4]]
    assert any(isinstance(part, ToolResultPart) for m in of_fork for part in m.content)


async def test_a_permanent_decision_does_not_hold_in_a_fork(
    client: httpx.AsyncClient, runtime: LocalRuntime, at: str
):
    script(
        runtime,
        calls(call("delete_file", "call_1", path="/a")),
        says("Done."),
        calls(call("delete_file", "call_2", path="/b")),
    )
    held = ["session_file_system", "tool_approval"]
    changed = await client.patch(at, json={"capabilities": held})
    assert changed.status_code == 200, changed.text
    await client.post(f"{at}/messages", json={"content": "Tidy up."})
    await waiting(client, at)
    approval = {"decisions": [{"tool_call_id": "call_1", "decision": "allow_always"}]}
    decided = await client.post(f"{at}/tool-approvals", json=approval)
    assert decided.status_code in {200, 202}, decided.text
    for _ in range(2000):
        if (await client.get(at)).json()["status"] == "idle":
            break

    _, there = await forked(client, at)
    await client.post(f"{there}/messages", json={"content": "And now b."})
    await waiting(client, there)

    (wait,) = (await client.get(there)).json()["waiting_for"]
    assert (wait["type"], wait["tool_call_id"]) == ("approval", "call_2")


async def waiting(client: httpx.AsyncClient, at: str) -> None:
    for _ in range(2000):
        if (await client.get(at)).json()["status"] == "waitingfortoolresults":
            return
    raise AssertionError("the turn does not wait")


async def test_forks_at_once_are_each_whole(client: httpx.AsyncClient, at: str):
    await said(client, at, "one")
    made = await asyncio.gather(*(forked(client, at) for _ in range(8)))

    assert len({fork["id"] for fork, _ in made}) == 8
    for _, there in made:
        assert len(await log_of(client, there)) == 5
