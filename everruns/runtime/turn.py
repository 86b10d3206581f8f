"""The agent loop: call the model and run its tools until it answers.

Each step's outcome is stored before the next step begins, and every decision follows from the
session's state. So a turn that lost its process resumes elsewhere, at the step where it stood, by
running this same loop.

Source: docs/contract.md, "Turns".
"""

import asyncio
import random
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import structlog

from everruns.domain.base import MIB
from everruns.domain.events import EventType, NewEvent
from everruns.domain.messages import Message
from everruns.domain.prepared import Prepared
from everruns.domain.state import SessionState
from everruns.domain.turns import OpenTurn, turn_context
from everruns.errors import EverrunsError, InvalidRequest, SecretsUnreadable, SessionTooLarge
from everruns.ids import new_id, now_ms
from everruns.log import error_kind
from everruns.providers.base import (
    Driver,
    ModelAnswer,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    UsageSoFar,
)
from everruns.runtime.compacting import Compacting
from everruns.runtime.context import TurnContext
from everruns.runtime.environment import Environment
from everruns.runtime.feed.draft import Draft
from everruns.runtime.outcomes import answered, broken_off, prepared, timed
from everruns.runtime.session import LiveSession
from everruns.runtime.structured_answers import with_output
from everruns.runtime.tool_step import ToolStep, TurnOver, still_open
from everruns.runtime.unfinished import unfinished_usage
from everruns.runtime.waiting import elapsed, lost_questions
from everruns.turn_failures import (
    ContextTooLong,
    LoopDetected,
    MaxIterations,
    ModelFailure,
    ProviderTimedOut,
    TurnCrashed,
    TurnFailure,
)

# How strongly a lost host incriminates a turn: three losses alone are enough, or ten together with
# other open turns, any of which may have been the cause, if it was a turn at all.
ALONE = 10
IN_COMPANY = 3
CERTAIN = 30
MAX_ANSWER_CHARACTERS = 16 * MIB
MODEL_RETRIES = 2
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 30.0

log = structlog.get_logger(__name__)


class Turn:
    """Runs the open turn of one session."""

    def __init__(self, session: LiveSession, environment: Environment) -> None:
        opened = session.state.turn
        assert opened is not None  # noqa: S101
        self._session = session
        self._environment = environment
        self._id = opened.id
        # After which message of the model; empty before the first.
        self._prepared_after: str | None = None

    async def run(self) -> None:
        """Advance the turn until it ends or waits for outside input.

        Raises:
            EverrunsError: The turn could not be stored; it stays open, and the session was
                released.
        """
        try:
            if self._session.interrupted:
                await self._take_up()
            while turn := self._open(self._session.state):
                if (turn.waiting or turn.asleep) and await self._only_waits():
                    return
                context = await self._environment.context(self._session)
                if self._is_to_be_prepared(turn, context):
                    await self._prepare(context)
                elif not turn.pending:
                    await self._ask_model(turn, context)
                elif not await self._tool_step(context).run():
                    return
        except TurnOver:
            pass
        except TurnFailure as failure:
            await self._fail(failure)
        except (InvalidRequest, SessionTooLarge, SecretsUnreadable) as refused:
            # The configuration is unusable or the session is full; a retry cannot help.
            await self._fail(TurnFailure(refused.message, refused.code))
        except EverrunsError:
            raise
        except Exception:
            log.exception("turn failed", session_id=self._session.id, turn_id=self._id)
            await self._fail(
                TurnFailure("The turn failed because of an internal fault. Send the message again.")
            )

    async def _take_up(self) -> None:
        """Resume a turn that was started elsewhere, unless it keeps crashing its processes."""
        session = self._session
        session.interrupted = False
        suspicion = session.suspicion
        # What its last process asked in the middle of a call cannot be answered any more.
        await session.append(lambda state, _now: lost_questions(still_open(state, self._id)))
        if not session.lost_with:
            return
        suspicion += ALONE if session.lost_with == 1 else IN_COMPANY
        if suspicion >= CERTAIN:
            raise TurnCrashed(
                "The turn lost its process repeatedly without making progress, so it was ended. "
                "Before you send the message again, check what its last step does, such as a tool "
                "that crashes or runs out of memory."
            )
        # Stored before the step, in case it crashes again.
        await session.note_suspicion(suspicion)

    async def _only_waits(self) -> bool:
        """Store what time has brought; return whether the turn goes on waiting.

        For that alone it needs no model, which may be missing for a while.
        """
        await self._session.append(lambda state, now: elapsed(still_open(state, self._id), now))
        return still_open(self._session.state, self._id).waits_until_ms is not None

    def _tool_step(self, context: TurnContext) -> ToolStep:
        return ToolStep(self._session, self._environment, self._id, context)

    def _open(self, state: SessionState) -> OpenTurn | None:
        return state.turn if state.turn and state.turn.id == self._id else None

    def _is_to_be_prepared(self, turn: OpenTurn, context: TurnContext) -> bool:
        """Tell whether capabilities look for what they offer before the model is asked.

        Once a model has answered, the turn keeps what it was offered, unless a call has opened the
        way to more.
        """
        if not context.to_prepare or self._prepared_after == self._answer_id(turn):
            return False
        return not turn.iterations or (not turn.pending and self._is_opened(context))

    def _is_opened(self, context: TurnContext) -> bool:
        state = self._session.state
        last = self._last_answer
        names = {call.name for call in last.tool_calls} if last else set[str]()
        return any(
            capability.is_opened_by(names, state.prepared.get(capability.id, Prepared()))
            for capability, _ in context.to_prepare
        )

    def _answer_id(self, turn: OpenTurn) -> str:
        """Return the id of the turn's last answer; empty before the first."""
        last = self._last_answer if turn.iterations else None
        return last.id if last else ""

    @property
    def _last_answer(self) -> Message | None:
        history = self._session.state.history
        return next((said for said in reversed(history) if said.role == "agent"), None)

    async def _prepare(self, context: TurnContext) -> None:
        """Let the turn's capabilities look for what they offer, and store what has changed."""
        changes = await self._environment.prepare(self._session, context)
        self._prepared_after = self._answer_id(still_open(self._session.state, self._id))
        if changes is not None:
            await self._session.append(
                lambda state, _now: [prepared(still_open(state, self._id), changes)]
            )

    # The model's step

    async def _ask_model(self, turn: OpenTurn, context: TurnContext) -> None:
        if turn.iterations >= context.max_iterations:
            raise MaxIterations(
                f"The turn made {turn.iterations} model calls, the limit of its agent. Send a "
                "message to continue, or raise max_iterations."
            )
        session = self._session
        if (loop := context.loop(session.state)) and loop.is_over:
            raise LoopDetected(
                f"The model {loop.what} each time, so the turn was ended. Send a message that "
                "tells it what to do instead, check what the tool returns, or raise "
                "max_repeated_calls."
            )
        self._environment.check_size(session.state)
        await self._environment.check_budgets(session, context.model)
        driver = await self._environment.driver(context.account)
        compacting = Compacting(session, self._id, context, driver, self._answer_in_time)
        if await compacting.make_room():
            return
        # Nothing awaits from here to the request, so the draft knows exactly what the model reads.
        request = context.request(session.state)
        draft = session.draft = Draft(
            new_id("message"), turn.id, session.state.sequence, request=request
        )
        try:
            answer = await self._answer_in_time(driver, request, draft)
        except ContextTooLong as refused:
            if not draft.is_empty or not await compacting.after_refusal(refused):
                raise
            return
        answer = await with_output(draft, answer)

        def outcome(state: SessionState, now: int) -> list[NewEvent]:
            return answered(state, still_open(state, self._id), now, draft, answer, context)

        await session.append(outcome)

    async def _answer_in_time(
        self, driver: Driver, request: ModelRequest, draft: Draft
    ) -> ModelAnswer:
        """Fill the draft within the time limit of an answer."""
        turn = still_open(self._session.state, self._id)
        traceparent = self._environment.traceparent(turn, draft.message_id)
        request = replace(request, traceparent=traceparent)
        total_s = self._environment.model_call_timeout_s
        total = asyncio.timeout(total_s)
        try:
            async with total:
                return await self._stream(driver, request, draft)
        except TimeoutError:
            if not total.expired():
                raise
            raise ProviderTimedOut(
                f"The model's answer took longer than {total_s:g} seconds. The text so far is "
                "kept; request less at a time, or raise model_call_timeout_s."
            ) from None
        finally:
            draft.ended_ms = now_ms()

    async def _stream(self, driver: Driver, request: ModelRequest, draft: Draft) -> ModelAnswer:
        """Fill the draft; retry while nothing of it was shown."""
        for attempt in range(MODEL_RETRIES + 1):
            draft.attempts += 1
            try:
                return await self._stream_once(driver, request, draft)
            except ModelFailure as failure:
                wait = FIRST_RETRY_S * 2**attempt * random.uniform(0.5, 1.5)  # noqa: S311
                wait = max(wait, failure.retry_after_s or 0)
                useless = not failure.retryable or wait > LONGEST_RETRY_S
                if useless or not draft.is_empty or attempt == MODEL_RETRIES:
                    raise
                log.info(
                    "model call retried",
                    session_id=self._session.id,
                    turn_id=self._id,
                    error=error_kind(failure),
                )
                await asyncio.sleep(wait)
        raise AssertionError("unreachable")

    async def _stream_once(
        self, driver: Driver, request: ModelRequest, draft: Draft
    ) -> ModelAnswer:
        session = self._session
        async with aclosing(driver.stream(request)) as chunks:
            async for chunk in chunks:
                match chunk:
                    case TextDelta(text):
                        first = not draft.text.length
                        draft.write(text)
                        session.notify(urgent=first)
                        _check_length(draft)
                    case ReasoningDelta(text):
                        first = not draft.reasoning.length
                        draft.reason(text)
                        session.notify(urgent=first)
                        _check_length(draft)
                    case UsageSoFar(usage):
                        draft.reported = usage
                    case ModelAnswer():
                        return chunk
        raise ModelFailure("The provider's answer ended prematurely. Send the message again.")

    # The end

    async def _fail(self, failure: TurnFailure) -> None:
        error = {"message": failure.message, "code": failure.code}
        try:
            await end_turn(self._session, self._id, EventType.SESSION_FAILED, {"error": error})
        except EverrunsError as unstored:
            log.warning(
                "failed turn not recorded", session_id=self._session.id, error=error_kind(unstored)
            )


async def end_turn(
    session: LiveSession, turn_id: str, ending: EventType, data: dict[str, Any]
) -> bool:
    """End a turn before its answer is complete; what was streamed of the answer is kept.

    Args:
        session: The session.
        turn_id: The turn to end.
        ending: ``session.failed`` or ``session.cancelled``.
        data: The ending's data besides the turn's id.

    Returns:
        Whether this call ended the turn; false if it had already ended.
    """

    def build(state: SessionState, now: int) -> list[NewEvent]:
        turn = state.turn
        if turn is None or turn.id != turn_id:
            return []
        draft = session.draft
        reason = data.get("reason") or "the turn ended"
        left = broken_off(state, turn, now, draft, reason)
        ended = {"turn_id": turn.id, **data, **_unfinished(session.aside or draft)}
        return [*left, NewEvent(ending, ended, turn_context(turn))]

    return bool(await session.append(build))


def _unfinished(draft: Draft | None) -> dict[str, Any]:
    """Return the ending's data about the model call that it interrupts, or that has failed."""
    if draft is None or draft.request is None:
        return {}
    usage = unfinished_usage(draft)
    call = {
        "message_id": draft.message_id,
        "model": draft.request.model.qualified_name,
        **({"usage": usage.wire()} if usage else {}),
        **timed(draft),
    }
    return {"unfinished": call}


def _check_length(draft: Draft) -> None:
    if draft.text.length + draft.reasoning.length > MAX_ANSWER_CHARACTERS:
        raise ModelFailure(
            f"The model's answer is longer than {MAX_ANSWER_CHARACTERS:,} characters. The text "
            "so far is kept; request less at a time."
        )
