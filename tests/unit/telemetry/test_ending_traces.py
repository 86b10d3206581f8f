"""What becomes of traces that are still on their way when a session host ends."""

import asyncio

from everruns.domain.sessions import Session
from everruns.ids import DEFAULT_ORGANIZATION_ID, GENERIC_HARNESS_ID, new_id
from everruns.telemetry.call_records import ModelCallRecord
from everruns.telemetry.export import Collector, Exporter
from everruns.telemetry.traces import TraceRule, Traces
from everruns.telemetry.turn_records import TurnRecord


def ended_turn(session: Session, model_calls: int) -> TurnRecord:
    record = TurnRecord(session.id, new_id("turn"), 0, 5, "completed")
    record.model_calls += [
        ModelCallRecord(None, "work/model", "openai", 1, 2, 3, 1, "completed")
        for _ in range(model_calls)
    ]
    return record


async def test_every_span_of_a_turn_that_is_not_handed_on_in_time_counts_as_dropped():
    asked = asyncio.Event()

    async def never(_agent_id: str) -> str | None:
        asked.set()
        return await asyncio.Future()

    dropped: list[int] = []
    exporter = Exporter(Collector("http://127.0.0.1:9/v1/traces"), dropped.append)
    traces = Traces(exporter, TraceRule(), never, dropped.append)
    session = Session(
        id=new_id("session"),
        agent_id=new_id("agent"),
        harness_id=GENERIC_HARNESS_ID,
        organization_id=DEFAULT_ORGANIZATION_ID,
        workspace_id=new_id("workspace"),
        created_at="2026-01-01T00:00:00.000Z",
        updated_at="2026-01-01T00:00:00.000Z",
    )
    running = asyncio.create_task(traces.run())
    for model_calls in (0, 1, 4):
        traces.report(session, ended_turn(session, model_calls))
    await asked.wait()

    await traces.close(0.01)

    # Of each turn its own, too, and of the one that was being handed on.
    assert sum(dropped) == 1 + 2 + 5
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
