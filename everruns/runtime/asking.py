"""Questions of running calls: asked as all questions are, while the call waits in this process.

Source: docs/contract.md, "Waiting"; ADR 0055.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from everruns.domain.events import NewEvent
from everruns.domain.questions import Question
from everruns.domain.state import SessionState
from everruns.domain.tools import ToolCall
from everruns.domain.turns import OpenTurn
from everruns.domain.waits import Unanswered, WaitRule
from everruns.errors import EverrunsError
from everruns.log import error_kind
from everruns.runtime.session import LiveSession
from everruns.runtime.waiting import answers_of_asker, question_asked, question_closed
from everruns.tools.base import ToolError

MAX_OPEN = 100

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Asked:
    """What a running call asks.

    Attributes:
        session: Its session.
        turn_id: Its turn.
        call: The call.
        message_id: The message with the call.
        questions: The questions.
        rule: How long they wait.
    """

    session: LiveSession
    turn_id: str
    call: ToolCall
    message_id: str
    questions: Sequence[Question]
    rule: WaitRule

    def turn_in(self, state: SessionState) -> OpenTurn | None:
        """Return its turn, if that is open and the call has no result."""
        turn = state.turn
        is_open = turn is not None and turn.id == self.turn_id and self.call.id in turn.pending
        return turn if is_open else None

    @property
    def is_open(self) -> bool:
        """Whether an answer would still reach the call."""
        turn = self.turn_in(self.session.state)
        return not self.session.closed and turn is not None and self.call.id in turn.asking


class Asking:
    """Lets the running calls of a process ask."""

    def __init__(self) -> None:
        self._open = 0
        self._is_leaving = False
        self._closing: set[asyncio.Task[None]] = set()

    async def ask(self, asked: Asked) -> Mapping[str, Any] | None:
        """Ask the user and wait for the answers.

        If the caller is cancelled, the questions are closed.

        Returns:
            The answers in the form of a result of ``ask_user``; ``None`` if there are none.

        Raises:
            ToolError: Too much is asked at the same time.
            EverrunsError: The questions could not be stored.
        """
        if self._open >= MAX_OPEN:
            raise ToolError("Too many questions are open at the moment. Try again later.")
        self._open += 1
        unanswered: Unanswered = "not_needed"
        try:
            await asked.session.append(lambda state, _now: _opened(asked, state))
            timeout_s = asked.rule.timeout_seconds
            async with asyncio.timeout(None if isinstance(timeout_s, str) else timeout_s):
                await _closed(asked)
        except TimeoutError:
            unanswered = "timed_out"
        finally:
            self._open -= 1
            if asked.is_open and not self._is_leaving:
                # In a task, because whoever has asked may be about to be cancelled.
                closing = asyncio.create_task(_close(asked, unanswered))
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
        return answers_of_asker(asked.session.state, asked.turn_id, asked.call.id)

    def leave(self) -> None:
        """Leave open questions to the processes that go on with their turns, and close them."""
        self._is_leaving = True


def _opened(asked: Asked, state: SessionState) -> list[NewEvent]:
    turn = asked.turn_in(state)
    if turn is None:
        return []
    return [question_asked(turn, asked.call, asked.message_id, asked.questions, asked.rule)]


async def _close(asked: Asked, unanswered: Unanswered) -> None:
    def build(state: SessionState, _now: int) -> list[NewEvent]:
        turn = asked.turn_in(state)
        if turn is None or asked.call.id not in turn.asking:
            return []
        is_stopped = asked.session.stopped_turn == asked.turn_id
        why = "turn_ended" if is_stopped else unanswered
        return [question_closed(turn, asked.call, unanswered=why)]

    try:
        await asked.session.append(build)
    except EverrunsError as error:
        # Whoever takes the session up closes it.
        log.info("question not closed", session_id=asked.session.id, error=error_kind(error))


class _Listener:
    """Notices each change of a session; implements ``Watcher``."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()

    def changed(self, *, urgent: bool) -> None:  # noqa: ARG002 - the protocol's
        self.heard.set()


async def _closed(asked: Asked) -> None:
    """Wait until an answer would not reach the call any more, perhaps because there is one."""
    listener = _Listener()
    asked.session.watchers.add(listener)
    try:
        while asked.is_open:
            await listener.heard.wait()
            listener.heard.clear()
    finally:
        asked.session.watchers.discard(listener)
