"""One agent as an application calls it, for itself and for its users."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

import httpx
import pytest
from everruns_sdk import Agent, AgentClient, ApiError, Everruns, NotFoundError
from everruns_sdk.errors import EverrunsError
from everruns_sdk.models import AgentCapabilityConfig, Event, ToolDefinition

from bench.server import Server
from tests.waiting import PATIENCE_S

FAILING = {"fail": {"code": "PROVIDER_REJECTED"}}
SLOW = {"tokens": 10_000, "tokens_per_s": 10}


@pytest.fixture
async def application(
    server: Server, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[AgentClient]:
    """A client of the agent's channel, set up by its environment as a user would do it."""
    url = f"{server.address}/api/v1/channels/{agent.name}"
    monkeypatch.setenv("EVERRUNS_AGENT_URL", url)
    monkeypatch.setenv("EVERRUNS_AGENT_KEY", "evr_nobody_asks")
    async with AgentClient() as client:
        yield client


@pytest.fixture
async def alice(application: AgentClient) -> AgentClient:
    """The same client for a user that nobody has heard of."""
    return application.for_end_user(f"alice-{uuid4()}")


async def follow(client: AgentClient, session_id: str, until: str, **start: Any) -> list[Event]:
    """The events of a session's stream, to the first of this type."""
    events: list[Event] = []
    stream = client.stream_events(session_id, **start)
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for event in stream:
                events.append(event)
                if event.type == until:
                    return events
    finally:
        stream.stop()
        await stream.aclose()
    raise AssertionError(f"the stream ended before {until}")


async def test_a_card_tells_what_the_agent_is(application: AgentClient, agent: Agent):
    card = await application.card()

    assert (card["name"], card["streaming"], card["auth"]) == (agent.name, True, [])
    assert card["input"]["text"]
    assert card["links"]["sessions"] == f"/api/v1/channels/{agent.id}/sessions"


async def test_a_session_is_created_once_and_read(application: AgentClient):
    key = str(uuid4())
    made = [await application.create_session("A talk", idempotency_key=key) for _ in range(2)]

    assert made[0] == made[1]
    session = await application.get_session(made[0]["id"])
    assert (session["title"], session["status"]) == ("A talk", "started")
    assert session["pending_questions"] == session["pending_approvals"] == []


async def test_sessions_are_listed_page_by_page(alice: AgentClient):
    made = [(await alice.create_session())["id"] for _ in range(3)]

    first = await alice.list_sessions(limit=2)
    second = await alice.list_sessions(limit=2, page_token=first["next_page_token"])

    assert [session["id"] for session in first["data"] + second["data"]] == made[::-1]
    assert second["next_page_token"] is None


async def test_a_message_starts_a_turn_that_is_followed_and_listed(application: AgentClient):
    session_id = (await application.create_session())["id"]
    key = str(uuid4())
    sent = [
        await application.send_message(session_id, "Hello.", idempotency_key=key) for _ in range(2)
    ]
    assert sent[0] == sent[1]

    followed = await follow(application, session_id, "session.idled", after_sequence=0)
    listed = await application.list_events(session_id)
    assert [event.type for event in listed].count("input.message") == 1
    lasting = {event.id for event in listed}
    assert [event.id for event in followed if event.id in lasting] == [e.id for e in listed]

    later = await application.list_events(session_id, after_sequence=listed[0].sequence, limit=1)
    assert later[0].id == next(e.id for e in listed if e.sequence > listed[0].sequence)
    rest = await follow(application, session_id, "session.idled", since_id=listed[-2].id)
    assert [event.id for event in rest] == [listed[-1].id]


async def test_a_running_turn_is_cancelled(server: Server, everruns: Everruns):
    provider = {"name": "slow", "provider_type": "simulated", "settings": SLOW}
    async with httpx.AsyncClient(base_url=server.address) as plain:
        await plain.post("/v1/llm-providers", json=provider)
    agent = await everruns.agents.apply_by_name("slow", "", default_model_id="slow/simulated-1")
    url = f"{server.address}/api/v1/channels/{agent.id}"
    async with AgentClient(url, "evr_nobody_asks") as client:
        session_id = (await client.create_session())["id"]
        await client.send_message(session_id, "Count.")
        await follow(client, session_id, "output.message.delta")

        assert await client.cancel(session_id) == {"status": "cancelled"}
        assert await client.cancel(session_id) == {"status": "no_op"}
        assert (await follow(client, session_id, "turn.cancelled"))[-1].data["turn_id"]


async def test_a_run_returns_the_answer_again_and_again(application: AgentClient):
    session_id = (await application.create_session())["id"]

    async with asyncio.timeout(PATIENCE_S):
        replies = [
            await application.run(text, session_id) for text in ("Say one.", "And two, please.")
        ]
        alone = await application.run("Say one.")

    said = [
        event.data["message"]["content"][0]["text"]
        for event in await application.list_events(session_id)
        if event.type == "output.message.completed"
    ]
    assert replies == said
    assert alone


async def test_a_run_raises_what_failed(server: Server, everruns: Everruns):
    provider = {"name": "failing", "provider_type": "simulated", "settings": FAILING}
    async with httpx.AsyncClient(base_url=server.address) as plain:
        await plain.post("/v1/llm-providers", json=provider)
    agent = await everruns.agents.apply_by_name(
        "failing", "", default_model_id="failing/simulated-1"
    )
    url = f"{server.address}/api/v1/channels/{agent.id}"
    async with AgentClient(url, "evr_nobody_asks") as client, asyncio.timeout(PATIENCE_S):
        with pytest.raises(EverrunsError, match="turn failed: provider_rejected"):
            await client.run("Hello.")


async def test_end_users_are_kept_apart(application: AgentClient, alice: AgentClient):
    bob = application.for_end_user(f"bob-{uuid4()}")
    async with asyncio.timeout(PATIENCE_S):
        await alice.run("I am Alice.")
        await bob.run("I am Bob.")
    (alices,) = (await alice.list_sessions())["data"]
    (bobs,) = (await bob.list_sessions())["data"]

    assert {alices["preview"], bobs["preview"]} == {"I am Alice.", "I am Bob."}
    for other, session_id in (
        (bob, alices["id"]),
        (application, alices["id"]),
        (alice, bobs["id"]),
    ):
        for call in (other.get_session, other.list_events, other.cancel):
            with pytest.raises(NotFoundError):
                await call(session_id)
        with pytest.raises(NotFoundError):
            await other.send_message(session_id, "Let me in.")
    nobodys = (await application.list_sessions())["data"]
    assert {alices["id"], bobs["id"]}.isdisjoint(session["id"] for session in nobodys)


async def acting(
    everruns: Everruns,
    server: Server,
    tool: str,
    tools: Sequence[Any] = (),
    **arguments: Any,
) -> AgentClient:
    """A client of an agent that calls a tool and then is done."""
    name = f"acting-{uuid4().hex[:8]}"
    script = [{"tool_calls": [{"name": tool, "arguments": arguments}]}, {"text": "Done."}]
    provider = {"name": name, "provider_type": "simulated", "settings": {"script": script}}
    async with httpx.AsyncClient(base_url=server.address) as client:
        await client.post("/v1/llm-providers", json=provider)
    await everruns.agents.apply_by_name(
        name,
        "Act.",
        default_model_id=f"{name}/simulated-1",
        capabilities=[
            AgentCapabilityConfig(ref=ref)
            for ref in ("ask_user", "session_file_system", "tool_approval")
        ],
        tools=list(tools),
    )
    return AgentClient(f"{server.address}/api/v1/channels/{name}", "evr_nobody_asks")


async def test_a_user_answers_the_agents_question(everruns: Everruns, server: Server):
    options = [{"label": "PDF"}, {"label": "HTML"}]
    question = {"id": "format", "question": "Which format?", "options": options}
    async with await acting(everruns, server, "ask_user", questions=[question]) as client:
        session_id = (await client.create_session())["id"]
        await client.send_message(session_id, "Write it.")
        await follow(client, session_id, "tool.call_requested", after_sequence=0)

        (pending,) = (await client.get_session(session_id))["pending_questions"]
        assert pending["questions"] == [question]
        answers = [{"id": "format", "selected": "PDF"}]
        answered = await client.answer_questions(
            session_id, {"tool_call_id": pending["tool_call_id"], "answers": answers}
        )

        assert answered == {
            "status": "answered",
            "answered_by": "user",
            "already_stored": 0,
            "session_status": "active",
        }
        await follow(client, session_id, "turn.completed", after_sequence=0)
        assert (await client.get_session(session_id))["pending_questions"] == []


async def test_a_user_allows_a_tool_call(everruns: Everruns, server: Server):
    async with await acting(everruns, server, "delete_file", path="/old.md") as client:
        session_id = (await client.create_session())["id"]
        await client.send_message(session_id, "Clean up.")
        await follow(client, session_id, "tool.approval", after_sequence=0)

        (pending,) = (await client.get_session(session_id))["pending_approvals"]
        assert (pending["tool_name"], pending["arguments"]) == ("delete_file", {"path": "/old.md"})
        decision = {"tool_call_id": pending["tool_call_id"], "decision": "allow"}
        decided = await client.submit_tool_approvals(session_id, {"decisions": [decision]})

        assert decided == {"accepted": 1, "already_stored": 0, "session_status": "active"}
        await follow(client, session_id, "turn.completed", after_sequence=0)


async def test_a_runtime_token_lets_one_user_use_the_agent_and_nothing_else(
    server: Server, agent: Agent, alice: AgentClient
):
    token = await alice.runtime_token()

    assert (token["token_type"], token["expires_in"]) == ("Bearer", 3600)
    url = f"{server.address}/api/v1/channels/{agent.name}"
    async with AgentClient(url, token["access_token"]) as browser, asyncio.timeout(PATIENCE_S):
        assert await browser.run("Hello.")
        (made,) = (await browser.list_sessions())["data"]
        assert (await alice.get_session(made["id"]))["preview"] == "Hello."
        with pytest.raises(ApiError) as refusal:
            await browser.for_end_user("bob").list_sessions()
        assert (refusal.value.status_code, refusal.value.code) == (403, "FORBIDDEN")
        with pytest.raises(ApiError) as refusal:
            await browser.for_end_user(token["virtual_user_id"]).runtime_token()
        assert (refusal.value.status_code, refusal.value.code) == (403, "FORBIDDEN")
    async with Everruns(token["access_token"], base_url=f"{server.address}/api") as management:
        with pytest.raises(ApiError) as refusal:
            await management.models.list()
        assert (refusal.value.status_code, refusal.value.code) == (403, "FORBIDDEN")


async def test_a_users_tool_is_run_by_the_application(everruns: Everruns, server: Server):
    """The example of docs/sdk.md: the SDK has no call for the results, so they are posted."""
    open_door = ToolDefinition(
        name="open_door", description="Open it.", parameters={"type": "object"}
    )
    client = await acting(everruns, server, "open_door", place="home", tools=[open_door])
    async with client:
        alice = client.for_end_user("alice")
        session_id = (await alice.create_session())["id"]
        await alice.send_message(session_id, "Open the door.")
        requested = (await follow(alice, session_id, "tool.call_requested", after_sequence=0))[-1]
        (call,) = requested.data["tool_calls"]
        token = (await alice.runtime_token())["access_token"]

        path = f"{client._base_url}/sessions/{session_id}/tool-results"
        results = {"tool_results": [{"tool_call_id": call["id"], "result": {"open": True}}]}
        async with httpx.AsyncClient() as http:
            by_the_user = await http.post(
                path, json=results, headers={"Authorization": f"Bearer {token}"}
            )
            answered = await http.post(path, json=results, headers={"End-User": "alice"})

        assert by_the_user.status_code == 403
        assert answered.json() == {"accepted": 1, "already_stored": 0, "status": "active"}
        await follow(alice, session_id, "turn.completed", after_sequence=0)
