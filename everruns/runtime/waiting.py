"""Calls that somebody outside answers: a turn asks, waits without holding anything, and goes on.

A client-side tool is one that the client runs. Its call is stored like any other step, with how
long the client may take; from then on the turn waits, and its session may leave the memory of its
host. Results are stored as they come, and with the last of them the turn goes on. A user's message
goes before calls that are still open, and time ends them; the model then reads why.

Source: docs/contract.md, "Client-side tools".
"""

from collections.abc import Iterable, Sequence

from everruns.domain.events import EventType, NewEvent
from everruns.domain.state import OpenTurn, SessionState, turn_context
from everruns.domain.tools import ToolCall, ToolResult
from everruns.errors import InvalidRequest, NotWaiting
from everruns.runtime.outcomes import returned

DISCARDED = "Not answered: the user sent a message instead."
TIMED_OUT = "Timed out waiting for client tool results"


def asked(turn: OpenTurn, call: ToolCall, message_id: str, timeout_ms: int) -> NewEvent:
    """Return what asks the client to run a tool."""
    data = {
        "tool_call": call.wire(),
        "message_id": message_id,
        "client_side": True,
        "timeout_ms": timeout_ms,
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


def expired(turn: OpenTurn, now: int) -> list[NewEvent]:
    """Return what calls leave that were not answered in time."""
    late: Iterable[str] = (call_id for call_id, call in turn.asked.items() if call.due_ms <= now)
    return [_answer(turn, _error(call_id, TIMED_OUT), now) for call_id in late]


def _error(call_id: str, error: str) -> ToolResult:
    return ToolResult(tool_call_id=call_id, error=error)


def _answer(turn: OpenTurn, result: ToolResult, now: int) -> NewEvent:
    call_id = result.tool_call_id
    return returned(turn, turn.pending[call_id], result, now - turn.asked[call_id].asked_ms)
