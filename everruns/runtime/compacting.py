"""Making a conversation shorter when it has become too long for its model.

A compaction is announced by an event and ends with another one, which holds all that it has come
to. If its process dies in between, the next one goes on with what was announced.

Source: docs/contract.md, "Compaction"; docs/adr/0047-compaction.md.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from everruns.domain.compaction import Compaction, CompactionPlan, CompactionReason, shown
from everruns.domain.compaction_plan import plan_compaction
from everruns.domain.events import EventType, NewEvent
from everruns.domain.excerpts import shortened
from everruns.domain.messages import Message
from everruns.domain.state import SessionState
from everruns.domain.token_estimates import (
    BYTES_OF_A_TOKEN,
    conversation_tokens,
    instruction_tokens,
    text_tokens,
)
from everruns.domain.turns import OpenTurn, turn_context
from everruns.ids import new_id, now_ms
from everruns.log import error_kind
from everruns.providers.base import Driver, ModelAnswer, ModelRequest
from everruns.providers.catalogue import priced
from everruns.runtime.context import TurnContext
from everruns.runtime.feed.draft import Draft
from everruns.runtime.outcomes import timed
from everruns.runtime.session import LiveSession
from everruns.runtime.summary_request import restated, summary_request, summary_tokens
from everruns.runtime.tool_step import still_open
from everruns.runtime.unfinished import unfinished_usage
from everruns.turn_failures import (
    ContextTooLong,
    ModelFailure,
    ProviderRateLimited,
    ProviderUnauthorized,
    ProviderUnavailable,
)

Ask = Callable[[Driver, ModelRequest, Draft], Awaitable[ModelAnswer]]

REFUSED_SHARE = 0.5
"""How much of a conversation that was refused may be left, if nobody says how long it may be."""
# A provider that refuses a request mostly says how many tokens it takes and how many came.
STATED_TOKENS = re.compile(r"\b\d{1,3}(?:,\d{3})+\b|\b\d{4,8}\b")
# Failures that an answer would meet as well: the conversation must not lose anything to them.
OUTAGES = (ProviderUnavailable, ProviderRateLimited, ProviderUnauthorized)

log = structlog.get_logger(__name__)


class Compacting:
    """Makes room in the conversation of one turn.

    Args:
        session: The session.
        turn_id: The turn.
        context: The turn's current context.
        driver: Speaks to the model that answers, and that writes the summary.
        ask: Calls the model, with the limits and retries of every call of the turn.
    """

    def __init__(
        self, session: LiveSession, turn_id: str, context: TurnContext, driver: Driver, ask: Ask
    ) -> None:
        self._session = session
        self._turn_id = turn_id
        self._context = context
        self._driver = driver
        self._ask = ask

    async def make_room(self) -> bool:
        """Compact the conversation if the next request would be too long.

        Returns:
            Whether it did; the request then has to be made again.

        Raises:
            ModelFailure: The provider cannot be asked at all now.
            TurnOver: The turn was ended in the meantime.
        """
        if (announced := still_open(self._session.state, self._turn_id).compacting) is not None:
            # Its process was lost in the middle of it.
            await self._carry_out(announced)
            return True
        room = self._context.room_tokens
        if room is None or (tokens := self._request_tokens()) <= room:
            return False
        return await self._compact("proactive_budget", tokens, room)

    async def after_refusal(self, refused: ContextTooLong) -> bool:
        """Compact the conversation because the provider has refused it as too long.

        Returns:
            Whether it did.

        Raises:
            ModelFailure: The provider cannot be asked at all now.
            TurnOver: The turn was ended in the meantime.
        """
        share = self._context.compaction.share
        if not share:
            return False
        tokens, fixed = self._request_tokens(), self._instruction_tokens()
        stated = stated_limit(refused.reason)
        rooms = [
            self._context.room_tokens,
            int(share * stated) if stated else None,
            # Whatever the provider's numbers say, what was sent was too long.
            fixed + int(max(tokens - fixed, 0) * (share if stated else REFUSED_SHARE)),
        ]
        room = min(known for known in rooms if known is not None)
        return await self._compact("request_too_large", tokens, room)

    def _request_tokens(self) -> int:
        return request_tokens(self._context, self._session.state)

    def _instruction_tokens(self) -> int:
        return _instruction_tokens(self._context)

    async def _compact(self, reason: CompactionReason, tokens: int, room: int) -> bool:
        session = self._session
        if reason in still_open(session.state, self._turn_id).compacted_for:
            return False
        plan = plan_compaction(
            session.state,
            reason,
            tokens,
            room,
            self._instruction_tokens(),
            self._context.compaction.kept_results,
        )
        if plan is None:
            return False
        if plan.strategy == "observation_masking":
            masked = {"strategy": plan.strategy}
            await session.append(
                lambda state, _now: [
                    self._announced(state, plan),
                    self._done(state, plan, 0, masked),
                ]
            )
        else:
            await session.append(lambda state, _now: [self._announced(state, plan)])
            await self._carry_out(plan)
        return True

    async def _carry_out(self, plan: CompactionPlan) -> None:
        """Ask for the summary, or do without it, and store the result."""
        session = self._session
        started_ms = now_ms()
        replaced = _replaced(session.state, plan)
        request = summary_request(self._context.model, replaced, plan.room_tokens)
        draft = session.aside = Draft(
            new_id("message"), self._turn_id, session.state.sequence, request=request
        )
        usage = failure = None
        summary: str | None = None
        try:
            answer = await self._ask(self._driver, request, draft)
        except OUTAGES:
            raise
        except ModelFailure as failed:
            usage, failure = unfinished_usage(draft), failed
        else:
            usage = priced(answer.usage, self._context.model.profile)
            summary = _usable(str(draft.text), replaced, plan)
        if summary is None:
            log.warning(
                "conversation trimmed without a summary",
                session_id=session.id,
                turn_id=self._turn_id,
                error=error_kind(failure) if failure else None,
            )
        outcome = {
            "strategy": "summarization" if summary is not None else "trim",
            "summary": summary,
            "model": self._context.model.qualified_name,
            "message_id": draft.message_id,
            "usage": usage.wire() if usage else None,
            **timed(draft),
            "error": {"message": failure.message, "code": failure.code} if failure else None,
        }

        def done(state: SessionState, now: int) -> list[NewEvent]:
            said = restated(state, replaced, is_summarized=summary is not None)
            took_ms = max(now - started_ms, 0)
            return [self._done(state, plan, took_ms, {**outcome, "restated": said or None})]

        await session.append(done)
        session.aside = None

    def _announced(self, state: SessionState, plan: CompactionPlan) -> NewEvent:
        return announced(still_open(state, self._turn_id), plan)

    def _done(
        self, state: SessionState, plan: CompactionPlan, duration_ms: int, outcome: dict[str, Any]
    ) -> NewEvent:
        turn = still_open(state, self._turn_id)
        instructions = self._instruction_tokens()
        return compacted(state, turn, plan, instructions, {"duration_ms": duration_ms, **outcome})


def request_tokens(context: TurnContext, state: SessionState) -> int:
    """Return how long the next request of a session is, as far as is known."""
    tokens = state.size.tokens
    if tokens is None:
        history = shown(state.history, state.compaction, state.session_id)
        tokens = conversation_tokens([*history, *state.unread])
    return tokens if state.size.is_whole else tokens + _instruction_tokens(context)


def _instruction_tokens(context: TurnContext) -> int:
    return instruction_tokens(context.system_prompt, context.offered.listed)


def stated_limit(reason: str) -> int | None:
    """Return how many tokens a model takes, if its provider says so in a refusal.

    Next to the limit such words name what was sent, which is more, and often what that consists
    of, which is less.
    """
    found = STATED_TOKENS.findall(reason)
    stated = sorted({int(number.replace(",", "")) for number in found})
    return stated[-2] if len(stated) > 1 else next(iter(stated), None)


def announced(turn: OpenTurn, plan: CompactionPlan) -> NewEvent:
    """Return the event of a compaction that begins."""
    return NewEvent(EventType.CONTEXT_COMPACTING, plan.wire(), turn_context(turn))


def compacted(
    state: SessionState,
    turn: OpenTurn,
    plan: CompactionPlan,
    instructions: int,
    outcome: dict[str, Any],
) -> NewEvent:
    """Return the event of a compaction that has come to its end.

    Args:
        state: The session before it.
        turn: The turn.
        plan: What was announced.
        instructions: The estimated tokens of instructions and tools.
        outcome: What has come of it; fields without a value are left out.
    """
    given = {name: value for name, value in outcome.items() if value is not None}
    data = {**plan.wire(), **given}
    after = Compaction.after(state.compaction, "event_", 0, data)
    before = shown(state.history, state.compaction, state.session_id)
    left = shown(state.history, after, state.session_id)
    fixed = instructions + conversation_tokens(state.unread)
    ratio = plan.tokens_before / max(fixed + conversation_tokens(before), 1)
    data |= {
        "messages_after": len(left) + len(state.unread),
        "tokens_after": int((fixed + conversation_tokens(left)) * ratio),
    }
    return NewEvent(EventType.CONTEXT_COMPACTED, data, turn_context(turn))


def _replaced(state: SessionState, plan: CompactionPlan) -> list[Message]:
    """Return what a summary is made of: the note of an earlier one, and the messages after it."""
    return [
        said
        for said in shown(state.history, state.compaction, state.session_id)
        if said.sequence <= plan.up_to_sequence
    ]


def _usable(text: str, replaced: Sequence[Message], plan: CompactionPlan) -> str | None:
    """Return a summary that is worth having: not blank, and shorter than what it replaces."""
    text = shortened(text.strip(), summary_tokens(plan.room_tokens) * BYTES_OF_A_TOKEN)
    return text if text and text_tokens(text) < conversation_tokens(replaced) else None
