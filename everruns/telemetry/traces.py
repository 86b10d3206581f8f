"""Traces: the spans of turns that have ended, on their way to a collector."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from everruns.domain.sessions import Session
from everruns.domain.trace_context import TurnTrace
from everruns.errors import EverrunsError
from everruns.log import error_kind
from everruns.telemetry.export import Exporter
from everruns.telemetry.spans import Owner, Span, is_noteworthy, spans_of
from everruns.telemetry.turn_records import TurnRecord

# Turns whose spans are not made yet.
MAX_WAITING = 1_000
# Turns whose spans are made before anything else gets its turn: half a millisecond.
AT_ONCE = 8

AgentName = Callable[[str], Awaitable[str | None]]
"""Returns an agent's name by its id, if it has one."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class TraceRule:
    """Which turns are sent, and whether with what was said.

    Attributes:
        share: The share of turns, from 0 to 1.
        with_content: Whether spans hold what users, models and tools say.
    """

    share: float = 1.0
    with_content: bool = False

    def trace_of(self, record: TurnRecord) -> TurnTrace | None:
        """Return the trace of a turn that has ended; ``None`` if it is not to be sent."""
        trace = TurnTrace.of(record.turn_id, record.traceparent, self.share)
        return (
            replace(trace, is_sampled=True) if trace.is_sampled or is_noteworthy(record) else None
        )


class Traces:
    """Makes the spans of turns that have ended, and sends them.

    Args:
        exporter: Sends them.
        rule: Which of them.
        agent_name: Knows agents.
        dropped: Told how many spans were dropped before they reached the exporter.
    """

    def __init__(
        self,
        exporter: Exporter,
        rule: TraceRule,
        agent_name: AgentName,
        dropped: Callable[[int], None],
    ) -> None:
        self._exporter = exporter
        self._rule = rule
        self._agent_name = agent_name
        self._dropped = dropped
        self._waiting: deque[tuple[Session, TurnRecord, TurnTrace]] = deque()
        self._has_turns = asyncio.Event()
        self._handing_on = asyncio.Lock()

    def report(self, session: Session, record: TurnRecord) -> None:
        """Take up a turn that has ended. See ``Report``."""
        trace = self._rule.trace_of(record)
        if trace is None:
            return
        if len(self._waiting) >= MAX_WAITING:
            self._drop(record)
            return
        self._waiting.append((session, record, trace))
        self._has_turns.set()

    async def run(self) -> None:
        """Send the spans of turns, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._exporter.run())
            tasks.create_task(self._make_spans())

    async def _make_spans(self) -> None:
        while True:
            await self._has_turns.wait()
            self._has_turns.clear()
            await self._hand_on()

    async def _hand_on(self) -> None:
        async with self._handing_on:
            while self._waiting:
                for _ in range(min(AT_ONCE, len(self._waiting))):
                    # It waits until it is handed on: what does not come to that is dropped.
                    await self._hand_on_one(*self._waiting[0])
                    self._waiting.popleft()
                # Running turns do not wait for more than a few that have ended.
                await asyncio.sleep(0)

    async def _hand_on_one(self, session: Session, record: TurnRecord, trace: TurnTrace) -> None:
        try:
            self._exporter.put(await self._spans(session, record, trace))
        except Exception:  # The turns of other sessions must be sent.
            log.exception("turn not traced", session_id=session.id, turn_id=record.turn_id)
            self._drop(record)

    def _drop(self, record: TurnRecord) -> None:
        # One for the turn itself, and for all that it has called and waited for.
        called = len(record.model_calls) + len(record.tool_calls)
        self._dropped(1 + called + len(record.waits))

    async def _spans(self, session: Session, record: TurnRecord, trace: TurnTrace) -> list[Span]:
        owner = Owner(session.agent_id, None, session.end_user)
        if session.agent_id is not None:
            try:
                owner = replace(owner, agent_name=await self._agent_name(session.agent_id))
            except EverrunsError as error:
                log.warning("agent of a turn not named", error=error_kind(error))
        return spans_of(record, trace, owner)

    async def close(self, within_s: float) -> None:
        """Send what is left, as far as that is quickly done; ``run`` is still needed.

        Args:
            within_s: Seconds that it may take.
        """
        deadline = asyncio.get_running_loop().time() + within_s
        try:
            async with asyncio.timeout_at(deadline):
                await self._hand_on()
        except TimeoutError:
            for _session, record, _trace in self._waiting:
                self._drop(record)
        await self._exporter.flush(deadline - asyncio.get_running_loop().time())
