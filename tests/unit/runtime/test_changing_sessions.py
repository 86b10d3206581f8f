"""A session that a client changes: its next step sees the change, wherever it is held."""

import asyncio
from threading import Event as ThreadGate

import pytest

from everruns.domain.agents import AgentInput
from everruns.domain.llm import ProviderInput
from everruns.domain.sessions import SessionPatch
from everruns.errors import InvalidRequest, SessionNotFound, UnknownCapability, UnknownModel
from everruns.storage.memory.sessions import MemorySessions
from everruns.storage.memory.store import MemoryStore
from everruns.tools.function import tool
from tests.conversations import Conversation
from tests.scripts import Gate, ScriptedDriver, call, calls, local_runtime, says
from tests.waiting import PATIENCE_S, eventually


def patch(**fields: object) -> SessionPatch:
    return SessionPatch.model_validate(fields)


async def test_the_next_step_of_a_running_turn_sees_a_change():
    gate = Gate()

    @tool()
    async def work() -> str:
        """Work."""
        await gate.pass_through()
        return "done"

    driver = ScriptedDriver(calls(call("work")), says("Done."))
    async with local_runtime(driver, work) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"], system_prompt="Be long.")
        await talk.send("hi")
        await gate.reached.wait()
        changed = await runtime.sessions.update(talk.id, patch(system_prompt="Be brief."))
        gate.open()
        await talk.ended()

        prompts = [request.system_prompt for request in driver.requests]
        assert [prompt.split("\n")[0] for prompt in prompts] == ["Be long.", "Be brief."]
        assert changed.system_prompt == "Be brief."


async def test_a_session_that_nobody_holds_is_loaded_with_its_change():
    driver = ScriptedDriver(says("One."), says("Two."))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("one")
        assert await runtime.host.hibernate(0) == 1
        await runtime.sessions.update(talk.id, patch(system_prompt="Be brief."))
        assert not runtime.host.held._sessions
        await talk.say("two")
        assert driver.requests[1].system_prompt == "Be brief."


async def test_a_session_without_a_message_is_changed_before_its_first_turn():
    driver = ScriptedDriver(says("One."))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime, title="Old")
        await runtime.sessions.update(talk.id, patch(title=None, system_prompt="Be brief."))
        await talk.say("one")
        assert driver.requests[0].system_prompt == "Be brief."
        assert (await runtime.registry.sessions.get(talk.id)).title is None


async def test_a_load_under_way_does_not_keep_what_was_changed_meanwhile():
    class SlowSessions(MemorySessions):
        slow = False

        def take(self, session_id, life, snapshot_format=None):
            loaded = super().take(session_id, life, snapshot_format)
            if self.slow:
                reached.set()
                assert released.wait(PATIENCE_S)
            return loaded

    reached, released, store = ThreadGate(), ThreadGate(), MemoryStore()
    slow = store.sessions = SlowSessions(store.contents)
    driver = ScriptedDriver(says("One."), says("Two."))
    async with local_runtime(driver, store=store) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("one")
        assert await runtime.host.hibernate(0) == 1
        slow.slow = True
        sending = asyncio.create_task(talk.send("two"))
        await eventually(reached.is_set)

        changing = asyncio.create_task(
            runtime.sessions.update(talk.id, patch(system_prompt="Be brief."))
        )
        await eventually(lambda: store.sessions.find(talk.id).system_prompt == "Be brief.")
        assert not changing.done()
        released.set()
        await asyncio.gather(changing, sending)

        assert runtime.host.held.loaded[talk.id].resource.system_prompt == "Be brief."


async def test_changes_at_once_leave_the_host_with_all_of_them():
    driver = ScriptedDriver(says("One."))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("one")
        fields = ({"title": "T"}, {"system_prompt": "P"}, {"tags": ["a"]}, {"locale": "de"})
        await asyncio.gather(*(runtime.sessions.update(talk.id, patch(**one)) for one in fields))

        held = runtime.host.held.loaded[talk.id].resource
        assert held == await runtime.registry.sessions.get(talk.id)
        assert (held.title, held.system_prompt, held.tags, held.locale) == ("T", "P", ["a"], "de")


async def test_null_removes_and_what_is_absent_stays():
    async with local_runtime() as runtime:
        given = {
            "title": "T",
            "tags": ["a"],
            "metadata": {"order": 17, "shop": "x"},
            "capabilities": ["current_time"],
            "max_iterations": 3,
        }
        talk = await Conversation.begin(runtime, **given, locale="de")
        before = await runtime.registry.sessions.get(talk.id)

        replaced = await runtime.sessions.update(talk.id, patch(metadata={"order": 18}))
        removed = await runtime.sessions.update(talk.id, patch(**dict.fromkeys(given)))

        assert replaced.metadata == {"order": 18}
        assert (replaced.title, replaced.tags) == ("T", ["a"])
        assert (removed.title, removed.tags, removed.metadata) == (None, [], {})
        assert (removed.capabilities, removed.max_iterations) == ([], None)
        assert removed.locale == "de"
        assert removed.updated_at >= replaced.updated_at >= before.updated_at


async def test_a_change_is_checked_like_a_new_session():
    async with local_runtime() as runtime:
        await runtime.registry.providers.add(
            ProviderInput.model_validate(
                {
                    "name": "o",
                    "provider_type": "openai",
                    "api_key": "k",
                    "models": [{"model_id": "gpt-5"}],
                }
            )
        )
        wanted = AgentInput.model_validate({"name": "a", "controls": {"temperature": 0.5}})
        agent, _ = await runtime.registry.agents.create(wanted)
        talk = await Conversation.begin(runtime, agent_id=agent.id, title="T")

        with pytest.raises(UnknownModel):
            await runtime.sessions.update(talk.id, patch(model_id="nope/x", title="New"))
        with pytest.raises(UnknownCapability):
            await runtime.sessions.update(talk.id, patch(capabilities=["nope"], title="New"))
        with pytest.raises(InvalidRequest, match="takes no temperature"):
            await runtime.sessions.update(talk.id, patch(model_id="o/gpt-5", title="New"))
        assert (await runtime.registry.sessions.get(talk.id)).title == "T"


async def test_a_deleted_session_cannot_be_changed():
    async with local_runtime() as runtime:
        talk = await Conversation.begin(runtime)
        await runtime.sessions.delete(talk.id)
        with pytest.raises(SessionNotFound):
            await runtime.sessions.update(talk.id, patch(title="T"))
