"""How long a turn waits for somebody outside, and what it says meanwhile."""

from typing import Any

import pytest

from everruns.domain.agents import AgentInput, AgentPatch
from everruns.domain.llm import ProviderPatch
from everruns.domain.tools import ToolResults
from everruns.domain.waits import NEVER_MS
from everruns.runtime.local import LocalRuntime
from everruns.storage.logs import Append, EventQuery
from everruns.storage.memory.store import MemoryStore
from everruns.storage.sessions import SessionQuery
from tests.conversations import Conversation, simulated
from tests.scripts import ScriptedDriver, call, calls, local_runtime, says
from tests.waiting import eventually

QUESTION = {"id": "name", "question": "Your name?", "kind": "text"}


def bell(**fields: Any) -> dict[str, Any]:
    return {"name": "ring", "description": "Ring.", "parameters": {"type": "object"}, **fields}


async def rung(runtime: LocalRuntime, tool: dict[str, Any], **fields: Any) -> Conversation:
    """A session that waits for the client to ring."""
    talk = await Conversation.begin(runtime, tools=[tool], **fields)
    await talk.send("ring")
    async with talk.reading() as reader:
        await reader.until_type("tool.call")
    return talk


async def answer(talk: Conversation) -> None:
    results = [{"tool_call_id": "call_ring", "result": "rung"}]
    await talk.runtime.sessions.take(talk.id, ToolResults.model_validate({"tool_results": results}))
    await talk.ended()


@pytest.mark.parametrize(
    ("tool", "session", "agent", "timeout_ms"),
    [
        ({"timeout_seconds": 10}, {"timeout_seconds": 20}, {"timeout_seconds": 30}, 10_000),
        (None, {"timeout_seconds": 20}, {"timeout_seconds": 30}, 20_000),
        (None, {"on_timeout": "keep_waiting"}, {"timeout_seconds": 30}, 30_000),
        ({"timeout_seconds": "never"}, None, {"timeout_seconds": 30}, None),
        (None, None, None, 300_000),
    ],
)
async def test_the_most_specific_rule_counts(
    tool: Any, session: Any, agent: Any, timeout_ms: int | None
):
    driver = ScriptedDriver(calls(call("ring")), says("Done."))
    async with local_runtime(driver) as runtime:
        wanted = AgentInput.model_validate({"name": "bell", "client_tool_wait": agent})
        made, _ = await runtime.registry.agents.create(wanted)
        talk = await rung(runtime, bell(wait=tool), agent_id=made.id, client_tool_wait=session)
        (asked,) = await talk.data_of("tool.call")
        assert asked.get("timeout_ms") == timeout_ms
        await answer(talk)


async def test_a_change_of_the_rule_does_not_change_a_running_wait():
    driver = ScriptedDriver(calls(call("ring")), says("Done."))
    store = MemoryStore()
    async with local_runtime(driver, store=store) as runtime:
        wanted = AgentInput.model_validate(
            {"name": "bell", "client_tool_wait": {"timeout_seconds": 3600}}
        )
        agent, _ = await runtime.registry.agents.create(wanted)
        talk = await rung(runtime, bell(), agent_id=agent.id)
        before = (await runtime.registry.sessions.get(talk.id)).waiting_for
        hurry = AgentPatch.model_validate({"client_tool_wait": {"timeout_seconds": 1}})
        await runtime.registry.agents.update(agent.id, hurry)
    async with local_runtime(driver, store=store, client_tool_timeout_s=0.01) as later:
        talk.runtime = later
        await later.host.activate(talk.id)
        assert (await later.registry.sessions.get(talk.id)).waiting_for == before
        await answer(talk)


async def test_a_reminder_is_stored_once_and_the_turn_goes_on_waiting():
    driver = ScriptedDriver(calls(call("ring")), says("Done."))
    async with local_runtime(driver, hibernate_after_s=0.02) as runtime:
        talk = await rung(runtime, bell(wait={"remind_after_seconds": 1}))
        await eventually(lambda: not runtime.host.held._sessions)
        async with talk.reading() as reader:
            reminder = await reader.until_type("wait.reminder")
        assert reminder.data == {
            "tool_call_id": "call_ring",
            "name": "ring",
            "type": "tool_call",
            "since": reminder.data["since"],
            "expires_at": reminder.data["expires_at"],
            "overdue": False,
        }
        await eventually(lambda: not runtime.host.held._sessions)
        await runtime.host.activate(talk.id)
        assert not await runtime.registry.hosting.abandoned()
        await answer(talk)
        assert len(await talk.data_of("wait.reminder")) == 1


async def test_a_reminder_that_falls_due_while_nothing_runs_comes_at_the_next_start():
    driver = ScriptedDriver(calls(call("ring")), says("Done."))
    store = MemoryStore()
    async with local_runtime(driver, store=store) as runtime:
        talk = await rung(runtime, bell(wait={"remind_after_seconds": 1}))
    until_ms = store.contents.sessions[talk.id].summary.waits_until_ms
    await eventually(lambda: store.sessions.unfinished(until_ms) == [talk.id])
    async with local_runtime(driver, store=store) as later:
        talk.runtime = later
        async with talk.reading() as reader:
            await reader.until_type("wait.reminder")
        await answer(talk)
        assert len(await talk.data_of("wait.reminder")) == 1


async def test_a_call_whose_time_is_over_may_keep_waiting():
    driver = ScriptedDriver(calls(call("ring")), says("Done."))
    async with local_runtime(driver, client_tool_timeout_s=0.05) as runtime:
        talk = await rung(runtime, bell(wait={"on_timeout": "keep_waiting"}))
        async with talk.reading() as reader:
            overdue = await reader.until_type("wait.reminder")
        assert overdue.data["overdue"]
        (wait,) = (await runtime.registry.sessions.get(talk.id)).waiting_for
        assert (wait.on_timeout, wait.expires_at) == ("keep_waiting", overdue.data["expires_at"])
        await answer(talk)
        assert (await talk.data_of("tool.result"))[0]["result"] == "rung"


@pytest.mark.parametrize("kind", ["ring", "ask_user", "pay"])
async def test_a_wait_without_end_occupies_nothing(kind: str):
    arguments = {"questions": [QUESTION]} if kind == "ask_user" else {}
    driver = ScriptedDriver(calls(call(kind, **arguments)), says("Done."))
    never = {"client_tool_timeout_s": 0, "question_timeout_s": 0, "approval_timeout_s": 0}
    tools = [bell(), bell(name="pay", policy="requires_approval")]
    async with local_runtime(driver, hibernate_after_s=0.02, **never) as runtime:
        talk = await Conversation.begin(runtime, tools=tools, capabilities=["ask_user"])
        await talk.send("go")
        async with talk.reading() as reader:
            await reader.until_type("tool.call", "tool.approval")
            session = runtime.host.held._sessions[talk.id].result()
            await eventually(lambda: session.task is None or session.task.done())
            assert session.alarm is None
        await eventually(lambda: not runtime.host.held._sessions)
        assert runtime.registry.logs._store.sessions.unfinished(NEVER_MS - 1) == []
        (wait,) = (await runtime.registry.sessions.get(talk.id)).waiting_for
        assert wait.expires_at is None


async def test_a_session_shows_what_it_waits_for_with_arguments():
    driver = ScriptedDriver(
        calls(call("ring", "first", times=1)),
        calls(call("ring", times=2), call("ask_user", questions=[QUESTION])),
        says("Done."),
    )
    async with local_runtime(driver) as runtime:
        talk = await rung(runtime, bell(), capabilities=["ask_user"])
        results = [{"tool_call_id": "first", "result": 1}]
        await runtime.sessions.take(talk.id, ToolResults.model_validate({"tool_results": results}))
        async with talk.reading() as reader:
            await reader.until(
                lambda: sum(event.type == "tool.call" for event in reader.events) == 3
            )
        sessions = runtime.registry.sessions
        shown = await runtime.sessions.with_waits(await sessions.get(talk.id))
        ring, question = shown.waiting_for
        assert (ring.type, ring.tool_call_id, ring.arguments) == (
            "tool_call",
            "call_ring",
            {"times": 2},
        )
        assert (question.type, question.arguments) == ("question", {"questions": [QUESTION]})
        stored = (await sessions.get(talk.id)).waiting_for
        assert [wait.arguments for wait in stored] == [None, None]


async def test_a_session_that_waits_since_an_older_version_shows_for_what():
    driver = ScriptedDriver(calls(call("ring", times=2)), says("Done."))
    async with local_runtime(driver) as runtime:
        talk = await rung(runtime, bell())
        logs = runtime.registry.logs
        old = (await logs.get(talk.id)).model_copy(update={"waiting_for": []})
        (wait,) = (await runtime.sessions.with_waits(old)).waiting_for
        assert wait.arguments == {"times": 2}
        assert await logs.events(talk.id, EventQuery()) == await talk.log()


async def test_a_turn_that_only_waits_needs_no_model():
    async with local_runtime() as runtime:
        script = [{"tool_calls": [{"name": "ring"}]}, {"text": "Done."}]
        model = await simulated(runtime, script=script)
        rule = {"remind_after_seconds": 1}
        talk = await rung(runtime, bell(wait=rule), model_id=model)
        name = model.partition("/")[0]
        (provider,) = [one for one in await runtime.registry.providers.list() if one.name == name]
        disabled = ProviderPatch.model_validate({"status": "disabled"})
        await runtime.registry.providers.update(provider.id, disabled)
        async with talk.reading() as reader:
            await reader.until_type("wait.reminder")
        active = ProviderPatch.model_validate({"status": "active"})
        await runtime.registry.providers.update(provider.id, active)
        (wait,) = (await runtime.registry.sessions.get(talk.id)).waiting_for
        results = [{"tool_call_id": wait.tool_call_id, "result": 1}]
        await runtime.sessions.take(talk.id, ToolResults.model_validate({"tool_results": results}))
        assert (await talk.ended()).type == "session.completed"


@pytest.mark.parametrize("seconds", [60, "never"])
async def test_what_waits_since_an_older_version_is_listed_by_what_it_waits_for(seconds: Any):
    store = MemoryStore()
    driver = ScriptedDriver(calls(call("ring")), says("Done."))
    async with local_runtime(driver, store=store) as runtime:
        talk = await rung(runtime, bell(wait={"timeout_seconds": seconds}))
        told = store.contents.sessions[talk.id].summary
    # That version stored when a wait ends, not for what it is.
    untold = told.model_copy(update={"waiting_for": []})
    holder = store.contents.sessions[talk.id].holder
    store.logs.append([Append(talk.id, untold.sequence + 1, [], untold, holder)])
    by_type = SessionQuery(waiting="tool_call")
    assert store.sessions.list(by_type)[1] == 0

    async with local_runtime(driver, store=store) as runtime:
        await eventually(lambda: store.sessions.list(by_type)[1] == 1)
        talk.runtime = runtime
        await answer(talk)
        assert store.sessions.list(by_type)[1] == 0
