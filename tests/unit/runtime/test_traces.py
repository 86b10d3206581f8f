"""Traces of turns, as a collector gets them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from everruns.domain.agents import AgentInput
from everruns.domain.messages import SendMessage
from everruns.domain.trace_context import TraceParent, TurnTrace
from everruns.runtime import turn
from everruns.storage.memory.store import MemoryStore
from everruns.telemetry import export, semconv, traces
from everruns.telemetry.spans import Owner, Span, spans_of
from everruns.telemetry.turn_records import TurnRecord
from everruns.tools.base import ToolContext
from everruns.tools.function import tool
from everruns.turn_failures import ProviderRejected, ProviderUnavailable
from tests.collector import Collector, answering, collecting, traced_runtime
from tests.conversations import Conversation
from tests.scripts import Gate, ScriptedDriver, call, calls, local_runtime, says, step

SENDER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NAMES = {
    value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str)
}


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "GATHER_S", 0.01)
    monkeypatch.setattr(turn, "FIRST_RETRY_S", 0.001)


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as collector:
        yield collector


@tool()
async def look(where: str) -> str:
    """Look somewhere."""
    return f"nothing in the {where}"


@tool(requires_approval=True)
async def burn(what: str) -> str:
    """Burn something."""
    raise ValueError(f"no matches for the {what}")


async def allow(talk: Conversation, call_id: str) -> None:
    async with talk.reading() as reader:
        await reader.until_type("tool.approval")
    await talk.decide(call_id, "allow")


async def supervised(runtime: Any, text: str = "hi") -> Conversation:
    """A turn with two tools, of which one is held, and a model that has to be asked twice."""
    agent, _ = await runtime.registry.agents.create(AgentInput(name="Ann", system_prompt="Hi."))
    talk = await Conversation.begin(
        runtime, agent_id=agent.id, capabilities=["kit", "tool_approval"]
    )
    await talk.send(text)
    await allow(talk, "call_burn")
    await talk.ended()
    return talk


def script(answer: str = "Done.") -> ScriptedDriver:
    wanted = calls(call("look", where="attic"), call("burn", what="house"))
    return ScriptedDriver(step(ProviderUnavailable("Not now.")), wanted, says(answer))


async def test_a_turn_is_one_tree_of_spans(collector: Collector):
    async with traced_runtime(collector, script(), look, burn) as runtime:
        talk = await supervised(runtime)
        log = await talk.log()
    turn_id = next(event.turn_id for event in log if event.type == "session.started")
    trace = TurnTrace.of(turn_id, None, 1)
    messages = [event.data["message"]["id"] for event in log if event.type == "message.created"]

    spans = {span.span_id: span for span in collector.spans}
    root = collector.named("invoke_agent Ann")
    assert len(spans) == len(collector.spans) == 6
    assert {span.trace_id for span in spans.values()} == {trace.trace_id}
    assert (root.span_id, root.parent_id) == (trace.span_id(), "")
    assert {span.parent_id for span in spans.values()} == {"", root.span_id}
    assert [(span.name, span.span_id) for span in collector.spans if span.kind == 3] == [
        ("chat simulated-1", trace.span_id(messages[1])),
        ("chat simulated-1", trace.span_id(messages[2])),
    ]
    assert collector.named("execute_tool look").span_id == trace.span_id("call_look")
    assert collector.named("execute_tool burn").span_id == trace.span_id("call_burn")
    for span in spans.values():
        assert root.started_ms <= span.started_ms <= span.ended_ms <= root.ended_ms
        assert span.attributes.keys() <= NAMES
        assert span.attributes["session.id"] == talk.id
    waited = collector.named("everruns.wait approval")
    assert waited.ended_ms <= collector.named("execute_tool burn").started_ms


async def test_spans_say_what_conventions_name(collector: Collector):
    async with traced_runtime(collector, script(), look, burn) as runtime:
        talk = await supervised(runtime)
    root = collector.named("invoke_agent Ann").attributes
    assert root["gen_ai.operation.name"] == "invoke_agent"
    assert root["gen_ai.agent.name"] == "Ann"
    assert root["gen_ai.agent.id"] == talk.session.agent_id
    assert root["gen_ai.conversation.id"] == talk.id
    assert root["gen_ai.usage.input_tokens"] == 20
    assert root["everruns.turn.outcome"] == "completed"
    first = next(span for span in collector.spans if span.kind == 3).attributes
    assert first["gen_ai.operation.name"] == "chat"
    assert first["gen_ai.provider.name"] == "everruns.simulated"
    assert first["gen_ai.request.model"] == "simulated-1"
    assert first["gen_ai.response.finish_reasons"] == ["tool_calls"]
    assert (first["gen_ai.usage.input_tokens"], first["gen_ai.usage.output_tokens"]) == (10, 5)
    assert first["everruns.model_call.attempts"] == 2
    looked = collector.named("execute_tool look")
    assert looked.attributes["gen_ai.operation.name"] == "execute_tool"
    assert looked.attributes["gen_ai.tool.name"] == "look"
    assert looked.attributes["gen_ai.tool.call.id"] == "call_look"
    assert not looked.is_error
    burnt = collector.named("execute_tool burn")
    assert (burnt.is_error, burnt.attributes["error.type"]) == (True, "tool_error")
    waited = collector.named("everruns.wait approval").attributes
    assert (waited["everruns.wait.ended"], waited["gen_ai.tool.name"]) == ("allowed", "burn")


async def test_without_content_no_span_holds_words_in_place_of_a_tool_name(collector: Collector):
    answers = ScriptedDriver(calls(call("SAID-BY-USER: my name is Ann")), says("Done."))
    async with traced_runtime(collector, answers) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
    assert b"SAID-BY" not in b"".join(collector.bodies)
    assert collector.named("execute_tool (unknown)").is_error


async def test_a_turn_whose_spans_cannot_be_made_holds_up_no_other(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
):
    made: list[str] = []

    def make(record: TurnRecord, trace: TurnTrace, owner: Owner) -> list[Span]:
        made.append(record.turn_id)
        if len(made) == 1:
            raise ValueError("Value out of range")
        return spans_of(record, trace, owner)

    monkeypatch.setattr(traces, "spans_of", make)
    async with traced_runtime(collector, ScriptedDriver(says("1"), says("2"))) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        await talk.say("hi again")
    assert len(made) == 2
    assert {span.trace_id for span in collector.spans} == {made[1].removeprefix("turn_")}


async def test_without_content_no_span_holds_what_was_said(collector: Collector):
    async with traced_runtime(collector, script("SAID-BY-MODEL"), look, burn) as runtime:
        await supervised(runtime, "SAID-BY-USER")
    sent = b"".join(collector.bodies)
    assert b"everruns" in sent
    for said in (b"SAID-BY", b"attic", b"nothing in the", b"matches", b"house", b"Hi."):
        assert said not in sent


async def test_with_content_spans_hold_it(collector: Collector):
    driver = script("SAID-BY-MODEL")
    async with traced_runtime(collector, driver, look, burn, trace_content=True) as runtime:
        await supervised(runtime, "SAID-BY-USER")
    root = collector.named("invoke_agent Ann").attributes
    assert "SAID-BY-USER" in root["gen_ai.input.messages"]
    assert "SAID-BY-MODEL" in root["gen_ai.output.messages"]
    first, last = [span.attributes for span in collector.spans if span.kind == 3]
    assert "SAID-BY-USER" in first["gen_ai.input.messages"]
    assert '"tool_call"' in first["gen_ai.output.messages"]
    assert "nothing in the attic" in last["gen_ai.input.messages"]
    looked = collector.named("execute_tool look").attributes
    assert looked["gen_ai.tool.call.arguments"] == '{"where":"attic"}'
    assert looked["gen_ai.tool.call.result"] == "nothing in the attic"


async def test_the_server_is_described_once_for_all_spans(collector: Collector):
    resource = {"trace_resource": "deployment.environment.name=test,service.name=my%20desk"}
    driver = ScriptedDriver(says("Hello."))
    async with traced_runtime(collector, driver, **resource) as runtime:
        await (await Conversation.begin(runtime)).say("hi")
    assert collector.resource["service.name"] == "my desk"
    assert collector.resource["deployment.environment.name"] == "test"
    assert "service.version" in collector.resource


# Failures and what is sent


async def test_a_failed_turn_says_why_and_so_does_its_model_call(collector: Collector):
    driver = ScriptedDriver(step(ProviderRejected("What the user said is bad.")))
    async with traced_runtime(collector, driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        await talk.ended()
    root, failed = collector.named("invoke_agent"), collector.named("chat simulated-1")
    for span in (root, failed):
        assert span.is_error
        assert span.attributes["error.type"] == "PROVIDER_REJECTED"
    assert b"What the user said" not in b"".join(collector.bodies)


async def test_of_the_turns_that_are_not_sampled_those_that_fail_are_sent(collector: Collector):
    driver = ScriptedDriver(says("Hello."), step(ProviderRejected("No.")))
    async with traced_runtime(collector, driver, trace_sample=0) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        await talk.send("again")
        await talk.ended()
    assert [span.name for span in collector.spans] == ["invoke_agent", "chat simulated-1"]
    assert collector.spans[0].is_error


async def test_a_turn_that_went_on_on_another_host_is_one_trace(collector: Collector):
    store, gate = MemoryStore(), Gate()

    @tool(repeatable=True)
    async def wait() -> str:
        """Wait."""
        await gate.pass_through()
        return "over"

    driver = ScriptedDriver(calls(call("wait")), says("Done."))
    async with traced_runtime(collector, driver, wait, store=store) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("hi")
        await gate.reached.wait()
    assert collector.spans == []
    gate.open()
    async with traced_runtime(collector, driver, wait, store=store) as later:
        talk.runtime = later
        await talk.ended()
    names = [span.name for span in collector.spans]
    assert names == ["invoke_agent", "chat simulated-1", "chat simulated-1", "execute_tool wait"]
    assert len({span.trace_id for span in collector.spans}) == 1


async def test_a_message_that_steers_a_turn_does_not_begin_another_trace(collector: Collector):
    gate = Gate()
    driver = ScriptedDriver(says("Hel", gate, "lo."), says("Done."))
    async with traced_runtime(collector, driver, trace_content=True) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        await gate.reached.wait()
        await talk.send("and quickly")
        gate.open()
        await talk.ended()
    names = [span.name for span in collector.spans]
    assert names == ["invoke_agent", "chat simulated-1", "chat simulated-1"]
    assert "and quickly" in collector.named("invoke_agent").attributes["gen_ai.input.messages"]


# Trace context


async def test_a_turn_is_a_part_of_the_trace_of_its_sender(collector: Collector):
    driver = ScriptedDriver(says("Hello."))
    async with traced_runtime(collector, driver) as runtime:
        talk = await Conversation.begin(runtime)
        await send_from(talk, SENDER)
        await talk.ended()
        stored = [event.context.get("traceparent") for event in await talk.log()]
    root, asked = collector.named("invoke_agent"), collector.named("chat simulated-1")
    assert (root.trace_id, root.parent_id) == (SENDER[3:35], SENDER[36:52])
    assert (asked.trace_id, asked.parent_id) == (root.trace_id, root.span_id)
    assert stored == [SENDER, SENDER, None, None]


async def test_the_model_is_told_of_the_span_of_its_call(collector: Collector):
    driver = ScriptedDriver(says("Hello."))
    async with traced_runtime(collector, driver) as runtime:
        await (await Conversation.begin(runtime)).say("hi")
    told = TraceParent.parse(driver.requests[0].traceparent)
    asked = collector.named("chat simulated-1")
    assert told == TraceParent(asked.trace_id, asked.span_id, is_sampled=True)


async def test_tools_are_told_of_the_span_of_their_call(collector: Collector):
    seen: list[str | None] = []

    @tool()
    async def peek(context: ToolContext) -> str:
        """Peek."""
        seen.append(context.traceparent)
        return "ok"

    driver = ScriptedDriver(calls(call("peek")), says("Done."))
    async with traced_runtime(collector, driver, peek) as runtime:
        await (await Conversation.begin(runtime, capabilities=["kit"])).say("hi")
    ran = collector.named("execute_tool peek")
    assert seen == [str(TraceParent(ran.trace_id, ran.span_id, is_sampled=True))]


async def test_without_traces_and_a_sender_that_has_one_nobody_is_told_anything():
    driver = ScriptedDriver(says("Hello."), says("Hello."))
    async with local_runtime(driver) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        await send_from(talk, SENDER)
        await talk.ended()
    assert driver.requests[0].traceparent is None
    assert driver.requests[1].traceparent is not None
    assert driver.requests[1].traceparent[3:35] == SENDER[3:35]


async def send_from(talk: Conversation, traceparent: str) -> None:
    sent = SendMessage.model_validate({"content": "hi"})
    await talk.runtime.sessions.send(talk.id, sent, None, traceparent)


# A collector that is away


async def test_turns_do_not_wait_for_a_collector_that_is_silent(collector: Collector):
    gate = Gate()

    async def silent(_request: web.Request) -> web.StreamResponse:
        await gate.pass_through()
        return web.Response()

    collector.replies.append(silent)
    driver = ScriptedDriver(says("Hello."), says("Hello again."))
    async with traced_runtime(collector, driver) as runtime:
        talk = await Conversation.begin(runtime)
        assert await talk.say("hi") == "Hello."
        await gate.reached.wait()
        assert await talk.say("hi") == "Hello again."
        gate.open()
    assert len(collector.spans) == 4


async def test_what_is_dropped_is_counted(collector: Collector):
    collector.replies.append(answering(400))
    dropped: list[int] = []
    driver = ScriptedDriver(says("Hello."))
    async with traced_runtime(collector, driver, dropped=dropped.append) as runtime:
        await (await Conversation.begin(runtime)).say("hi")
    assert sum(dropped) == 2
