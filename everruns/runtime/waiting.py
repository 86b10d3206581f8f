"""Calls that somebody outside answers: a turn asks, waits without holding anything, and goes on.

A client-side tool is one that the client runs. Its call is stored like any other step, with how
long the client may take; from then on the turn waits, and its session may leave the memory of its
host. Results are stored as they come, and with the last of them the turn goes on. A user's message
goes before calls that are still open, and time ends them; the model then reads why.

Source: docs/contract.md, "Client-side tools".
"""

from collections.abc import Sequence

from everruns.domain.events import EventType, NewEvent
from everruns.domain.questions import QuestionAnswers, result_of
from everruns.domain.state import OpenTurn, SessionState, turn_context
from everruns.domain.tools import ToolCall, ToolResult
from everruns.errors import InvalidRequest, NotWaiting
from everruns.runtime.outcomes import returned
from everruns.tools.toolbox import Toolbox

ASK_USER = "ask_user"
DISCARDED = "Not answered: the user sent a message instead."
TIMED_OUT = "Timed out waiting for client tool results"


def asked(turn: OpenTurn, call: ToolCall, message_id: str, patience_s: float) -> NewEvent:
    """Return what asks somebody outside to answer a call."""
    data = {
        "tool_call": call.wire(),
        "message_id": message_id,
        "client_side": True,
        "timeout_ms": round(patience_s * 1000),
    }
    return NewEvent(EventType.TOOL_CALL, data, turn_context(turn))


def submitted(state: SessionState, results: Sequence[ToolResult], now: int) -> list[NewEvent]:
    """Return what results from outside leave; those of calls answered already leave nothing.

    Raises:
        NotWaiting: The session waits for nobody.
        InvalidRequest: A result is of no call of this turn's last answer, or a call has two.
    """
    turn = state.turn
    if turn is None or turn.waits_until_ms is None:
        raise NotWaiting(f"Session {state.session_id} is not waiting for tool results")
    given = {result.tool_call_id: result for result in results}
    if len(given) < len(results):
        raise InvalidRequest("tool_results: each tool_call_id may come once")
    known = {call.id for message in state.history for call in message.tool_calls}
    if unknown := given.keys() - known:
        raise InvalidRequest(f"tool_results: no call {min(unknown)!r} was asked for")
    return [_answer(turn, given[call_id], now) for call_id in turn.pending if call_id in given]


def discarded(turn: OpenTurn, now: int) -> list[NewEvent]:
    """Return what open calls leave when the user says something instead of answering them."""
    return [_answer(turn, _error(call_id, DISCARDED), now) for call_id in turn.asked]


def replied(state: SessionState, given: QuestionAnswers, now: int) -> list[NewEvent]:
    """Return what the user's answers to a set of questions leave.

    Raises:
        NotWaiting: No such questions are open.
        InvalidRequest: An answer does not fit its question, or one is missing.
    """
    turn = state.turn
    if turn is not None and turn.waits_until_ms is not None:
        for call in turn.pending.values():
            if call.name == ASK_USER and given.tool_call_id in {None, call.id}:
                result = ToolResult(tool_call_id=call.id, result=result_of(call.arguments, given))
                return [_answer(turn, result, now)]
    raise NotWaiting(f"Session {state.session_id} is not waiting for answers to questions")


def expired(turn: OpenTurn, now: int, toolbox: Toolbox) -> list[NewEvent]:
    """Return what calls leave that were not answered in time."""
    late = [call_id for call_id, call in turn.asked.items() if call.due_ms <= now]
    return [_answer(turn, _silence(turn.pending[call_id], toolbox), now) for call_id in late]


def _silence(call: ToolCall, toolbox: Toolbox) -> ToolResult:
    tool = toolbox.asked(call)
    if tool is None:
        return _error(call.id, TIMED_OUT)
    return ToolResult(tool_call_id=call.id, result=tool.result_of_silence(call.arguments))


def _error(call_id: str, error: str) -> ToolResult:
    return ToolResult(tool_call_id=call_id, error=error)


def _answer(turn: OpenTurn, result: ToolResult, now: int) -> NewEvent:
    call_id = result.tool_call_id
    return returned(turn, turn.pending[call_id], result, now - turn.asked[call_id].asked_ms)
