"""Each turn that ends on a host is reported once, with all that it has done."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from everruns.domain.events import Event
from everruns.domain.sessions import Session
from everruns.errors import StoreUnavailable
from everruns.storage.logs import EventQuery
from everruns.storage.memory.store import MemoryStore
from everruns.telemetry import ended_turns
from everruns.telemetry.ended_turns import EndedTurns, ReadEvents
from everruns.telemetry.turn_log import log_turn
from everruns.telemetry.turn_records import TurnRecord
from everruns.turn_failures import ProviderUnavailable
from tests.conversations import Conversation
from tests.logs import turn_records
from tests.scripts import Gate, ScriptedDriver, call, calls, local_runtime, says, step
from tests.waiting import eventually

PRIVATE = "the cabbage is in the cellar"


class Reports:
    """Keeps the records that it is given."""

    def __init__(self) -> None:
        self.records: list[TurnRecord] = []
        self.turns = EndedTurns(self.read, [self.note])
        self.reads: ReadEvents | None = None

    def note(self, _session: Session, record: TurnRecord) -> None:
        self.records.append(record)

    async def read(self, session_id: str, query: EventQuery) -> Sequence[Event]:
        assert self.reads is not None, "nothing is read of a turn that began here"
        return await self.reads(session_id, query)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[EndedTurns]:
        task = asyncio.create_task(self.turns.run())
        yield self.turns
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def count(self, count: int) -> None:
        await eventually(lambda: len(self.records) >= count)
        assert len(self.records) == count


async def records_in_log(talk: Conversation) -> list[TurnRecord]:
    return turn_records(await talk.log())


async def test_a_turn_is_reported_as_its_log_tells_it_and_without_reading_the_log():
    reports = Reports()
    driver = ScriptedDriver(calls(call("nothing")), says("Done."), says("Again."))
    async with reports.running() as turns, local_runtime(driver, observers=[turns]) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        await talk.say("and?")
        await reports.count(2)
        assert reports.records == await records_in_log(talk)


async def test_a_turn_that_began_on_another_host_is_read_from_the_store():
    store, gate, reports = MemoryStore(), Gate(), Reports()
    driver = ScriptedDriver(calls(call("nothing")), says("Hel", gate))
    async with local_runtime(driver, store=store) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        await gate.reached.wait()
    driver = ScriptedDriver(says("Hello."))
    async with (
        reports.running() as turns,
        local_runtime(driver, store=store, observers=[turns]) as runtime,
    ):
        reports.reads = runtime.registry.logs.events
        talk = Conversation(runtime, talk.session)
        await reports.count(1)
        (record,) = reports.records
        assert (record.outcome, record.iterations) == ("completed", 2)
        assert reports.records == await records_in_log(talk)


async def test_a_turn_that_was_on_another_host_in_the_meantime_is_read_from_the_store():
    store, reports = MemoryStore(), Reports()
    gates = Gate(), Gate()
    hosts = (
        (calls(call("nothing", "call_1")), says("Hel", gates[0])),
        (calls(call("nothing", "call_2")), says("Hel", gates[1])),
    )
    async with reports.running() as turns:
        async with local_runtime(
            ScriptedDriver(*hosts[0]), store=store, observers=[turns]
        ) as first:
            talk = await Conversation.begin(first)
            await talk.send("hi")
            await gates[0].reached.wait()
        async with local_runtime(ScriptedDriver(*hosts[1]), store=store):
            await gates[1].reached.wait()
        driver = ScriptedDriver(says("Hello."))
        async with local_runtime(driver, store=store, observers=[turns]) as runtime:
            reports.reads = runtime.registry.logs.events
            talk = Conversation(runtime, talk.session)
            await reports.count(1)
            (record,) = reports.records
            assert (record.outcome, record.iterations) == ("completed", 3)
            assert reports.records == await records_in_log(talk)


async def test_a_turn_that_cannot_be_read_is_counted():
    store, gate, reports = MemoryStore(), Gate(), Reports()
    async with local_runtime(ScriptedDriver(says("Hel", gate)), store=store) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        await gate.reached.wait()

    async def fail(*_: Any) -> Sequence[Event]:
        raise StoreUnavailable(PRIVATE)

    reports.reads = fail
    driver = ScriptedDriver(says("Hello."))
    with capture_logs() as lines:
        async with (
            reports.running() as turns,
            local_runtime(driver, store=store, observers=[turns]),
        ):
            await eventually(lambda: turns.unreported == 1)
    assert [line["turns"] for line in lines if line["event"] == "turns not reported"] == [1]
    assert PRIVATE not in str(lines)


async def test_turns_that_begin_elsewhere_are_counted_where_too_many_wait_to_be_read(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(ended_turns, "MAX_UNREAD", 0)
    store, gate, reports = MemoryStore(), Gate(), Reports()
    async with local_runtime(ScriptedDriver(says("Hel", gate)), store=store) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi")
        await gate.reached.wait()
    driver = ScriptedDriver(says("Hello."))
    async with (
        reports.running() as turns,
        local_runtime(driver, store=store, observers=[turns]),
    ):
        await eventually(lambda: turns.unreported == 1)
    assert reports.records == []


async def test_a_report_that_fails_does_not_end_the_others():
    seen: list[str] = []

    def report(_session: Session, record: TurnRecord) -> None:
        seen.append(record.turn_id)
        if len(seen) == 1:
            raise KeyError(PRIVATE)

    reports = Reports()
    reports.turns = EndedTurns(reports.read, [report])
    driver = ScriptedDriver(says("One."), says("Two."))
    async with reports.running() as turns, local_runtime(driver, observers=[turns]) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        await talk.say("and?")
        await eventually(lambda: len(seen) == 2)
    assert turns.unreported == 1


async def test_one_line_says_what_happened_in_a_turn():
    reports = Reports()
    reports.turns = EndedTurns(reports.read, [log_turn])
    busy = ProviderUnavailable(PRIVATE)
    driver = ScriptedDriver(calls(call("nothing", text=PRIVATE)), step(busy), step(busy), says("."))
    with capture_logs() as lines:
        async with reports.running() as turns, local_runtime(driver, observers=[turns]) as runtime:
            talk = await Conversation.begin(runtime)
            await talk.say(PRIVATE)
            await eventually(lambda: any(line["event"] == "turn ended" for line in lines))
            (turn_id,) = {event.turn_id for event in await talk.log() if event.turn_id}

    (line,) = [line for line in lines if line["event"] == "turn ended"]
    assert line["session_id"] == talk.session.id
    assert (line["turn_id"], line["trace_id"]) == (turn_id, turn_id.removeprefix("turn_"))
    assert line["outcome"] == "completed"
    assert (line["iterations"], line["model_calls"], line["model_call_retries"]) == (2, 2, 2)
    assert (line["input_tokens"], line["output_tokens"]) == (20, 10)
    assert (line["tool_calls"], line["failed_tool_calls"], line["waits"]) == (1, 1, 0)
    assert line["duration_ms"] >= line["first_token_ms"] >= 0
    assert "code" not in line
    assert PRIVATE not in str(lines)


async def test_the_line_of_a_failed_turn_has_the_code_of_its_error_alone():
    reports = Reports()
    reports.turns = EndedTurns(reports.read, [log_turn])
    driver = ScriptedDriver(step(ValueError(PRIVATE)))
    with capture_logs() as lines:
        async with reports.running() as turns, local_runtime(driver, observers=[turns]) as runtime:
            talk = await Conversation.begin(runtime)
            await talk.say(PRIVATE)
            await eventually(lambda: any(line["event"] == "turn ended" for line in lines))
    (line,) = [line for line in lines if line["event"] == "turn ended"]
    assert (line["outcome"], line["code"]) == ("failed", "TURN_FAILED")
