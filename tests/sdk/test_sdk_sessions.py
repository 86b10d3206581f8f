"""Sessions and messages through the SDK."""

import json

import pytest
from everruns_sdk import Agent, Controls, Everruns, NotFoundError, Session

MODEL = "simulated/simulated-1"


async def test_a_session_needs_nothing(everruns: Everruns):
    session = await everruns.sessions.create()

    assert session.status == "started"
    assert await everruns.sessions.get(session.id) == session


async def test_a_session_is_created_with_all_that_the_sdk_can_say(everruns: Everruns, agent: Agent):
    session = await everruns.sessions.create(
        harness_name="generic",
        agent_name=agent.name,
        title="All of it",
        locale="uk-UA",
        model_id=MODEL,
        parallel_tool_calls=False,
        tags=["demo"],
    )

    assert (session.agent_id, session.title, session.locale) == (agent.id, "All of it", "uk-UA")
    assert (session.model_id, session.tags) == (MODEL, ["demo"])


async def test_sessions_are_listed_by_agent_and_searched(everruns: Everruns, talk: Session):
    assert talk in await everruns.sessions.list()
    assert talk in await everruns.sessions.list(talk.agent_id, search="TALK")
    assert await everruns.sessions.list(search="nothing-is-called-so") == []


async def test_a_message_starts_a_turn_and_both_are_listed(everruns: Everruns, talk: Session):
    asked, answered = await everruns.messages.list(talk.id)

    assert (asked.role, answered.role) == ("user", "agent")
    assert asked.content[0].text == "Hello, clerk."
    assert answered.content[0].text


async def test_a_message_may_choose_its_model(everruns: Everruns):
    session = await everruns.sessions.create()

    sent = await everruns.messages.create(session.id, "Hi.", Controls(model_id=MODEL))

    assert sent.controls == Controls(model_id=MODEL)


async def test_a_quiet_session_may_be_cancelled(everruns: Everruns, talk: Session):
    await everruns.sessions.cancel(talk.id)

    assert (await everruns.sessions.get(talk.id)).status == "idle"


async def test_a_session_is_exported_message_by_message(everruns: Everruns, talk: Session):
    exported = await everruns.sessions.export(talk.id)

    messages = [json.loads(line) for line in exported.splitlines()]
    listed = await everruns.messages.list(talk.id)
    assert [message["id"] for message in messages] == [message.id for message in listed]


async def test_a_deleted_session_is_gone(everruns: Everruns, talk: Session):
    await everruns.sessions.delete(talk.id)

    with pytest.raises(NotFoundError):
        await everruns.sessions.get(talk.id)
