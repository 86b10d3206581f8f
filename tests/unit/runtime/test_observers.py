"""Observers learn of events once they are stored."""

from collections.abc import Sequence

import orjson

from everruns.domain.agents import AgentInput
from everruns.domain.sessions import Session
from everruns.storage.memory.store import MemoryStore
from everruns.telemetry.observing import Observed
from tests.conversations import Conversation
from tests.scripts import Gate, ScriptedDriver, call, calls, local_runtime, says


class Notes:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.observed: list[Observed] = []

    def appended(self, session: Session, observed: Sequence[Observed]) -> None:
        """Keep it."""
        self.sessions.append(session)
        self.observed += observed


async def test_an_observer_learns_of_every_event_in_the_order_of_the_log():
    notes = Notes()
    driver = ScriptedDriver(calls(call("nothing")), says("Done."))
    async with local_runtime(driver, observers=[notes]) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        assert [one.event for one in notes.observed] == await talk.log()


async def test_what_it_is_told_is_what_was_stored():
    notes = Notes()
    async with local_runtime(ScriptedDriver(says("Hello.")), observers=[notes]) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")

    for one in notes.observed:
        assert orjson.loads(orjson.dumps(one.data)) == one.event.data
        assert orjson.loads(orjson.dumps(one.context)) == one.event.context


async def test_it_is_told_whose_events_they_are():
    notes = Notes()
    async with local_runtime(ScriptedDriver(says("Hello.")), observers=[notes]) as runtime:
        agent, _ = await runtime.registry.agents.create(AgentInput(name="Ann", system_prompt="Hi."))
        talk = await Conversation.begin(runtime, agent_id=agent.id)
        await talk.say("hi")

    assert {told.agent_id for told in notes.sessions} == {agent.id}


async def test_the_next_host_tells_of_the_rest_of_a_turn():
    store, gate = MemoryStore(), Gate()
    async with local_runtime(ScriptedDriver(says("Hel", gate)), store=store) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        await gate.reached.wait()
    notes = Notes()
    driver = ScriptedDriver(says("Hello."))
    async with local_runtime(driver, store=store, observers=[notes]) as runtime:
        await Conversation(runtime, talk.session).ended()

    told = [one.event.type for one in notes.observed]
    assert told == ["message.created", "session.completed"]
