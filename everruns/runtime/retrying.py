"""Starting a session's last turn again.

Source: docs/contract.md, "Retry".
"""

from everruns.domain.controls import Controls
from everruns.domain.events import EventType, NewEvent
from everruns.domain.idempotency import Idempotency
from everruns.domain.messages import Message
from everruns.domain.retries import RetriedTurn, effective_retry, superseded_ranges
from everruns.domain.state import SessionState
from everruns.domain.trace_context import TRACEPARENT
from everruns.errors import Conflict, IdempotencyKeyReused
from everruns.ids import new_id
from everruns.runtime.environment import Environment
from everruns.runtime.session import LiveSession


async def retry(
    session: LiveSession,
    wanted: Controls | None,
    idempotency: Idempotency,
    environment: Environment,
    traceparent: str | None = None,
) -> RetriedTurn:
    """Store the start of the session's last turn with the same input.

    Args:
        session: The session.
        wanted: Options for the answers, instead of those of the user's message.
        idempotency: The call's key, and the digest of the request.
        environment: Knows the models and the size limit.
        traceparent: The trace context of the request, if it had one.

    Returns:
        The new turn; for a repeated call, the turn that was stored first.

    Raises:
        Conflict: A turn is open, or there is none to retry.
        IdempotencyKeyReused: The key was used with a different body.
        InvalidRequest: The model does not take one of the controls.
        SessionTooLarge: The session has reached its size limit.
        UnknownModel: No active provider offers the model that the controls name.
    """
    if wanted is not None and idempotency.key not in session.state.retries:
        controls = controls_of(session.state, wanted)
        await environment.check_wanted(session, controls or wanted)

    def build(state: SessionState, _now: int) -> list[NewEvent]:
        new = retried(state, wanted, idempotency, traceparent)
        if new:
            environment.check_size(state)
        return new

    await session.append(build)
    return session.state.retries[idempotency.key][1]


def inputs_of(state: SessionState) -> list[Message]:
    """Return the user messages of the last turn, in order.

    Raises:
        Conflict: The session has no turn that ended, or its turn is open.
    """
    if state.turn is not None:
        raise Conflict(
            f"Session {state.session_id} has an open turn. Cancel it first "
            f"(POST /v1/sessions/{state.session_id}/cancel), then retry."
        )
    last = state.last_turn
    inputs = [
        message
        for message in state.history
        if last is not None and message.role == "user" and message.sequence >= last.from_sequence
    ]
    if not inputs:
        raise Conflict(
            f"Session {state.session_id} has no turn to retry. Send a message to start one."
        )
    return inputs


def controls_of(state: SessionState, wanted: Controls | None) -> Controls | None:
    """Return the options of a retry of the last turn.

    Raises:
        Conflict: There is nothing to retry.
    """
    return effective_retry(wanted, inputs_of(state)[-1].controls)


def retried(
    state: SessionState,
    wanted: Controls | None,
    idempotency: Idempotency,
    traceparent: str | None = None,
) -> list[NewEvent]:
    """Return the event of a retry; none if a call with this key has already stored it.

    Args:
        state: The session's state.
        wanted: Options for the answers, instead of those of the user's message.
        idempotency: The call's key, and the digest of the request.
        traceparent: The trace context of the request, if it had one.

    Raises:
        Conflict: There is nothing to retry.
        IdempotencyKeyReused: The key was used with a different body.
    """
    if earlier := state.retries.get(idempotency.key):
        if earlier[0] != idempotency.request:
            raise IdempotencyKeyReused(
                "This Idempotency-Key was used with a different request body. Use a new key."
            )
        return []
    inputs, last = inputs_of(state), state.last_turn
    assert last is not None  # noqa: S101
    turn = {"turn_id": new_id("turn"), "input_message_id": inputs[0].id}
    controls = effective_retry(wanted, inputs[-1].controls) if wanted is not None else None
    data = {
        **turn,
        "retry_of": last.id,
        "superseded": superseded_ranges(
            last.from_sequence, state.sequence, [message.sequence for message in inputs]
        ),
        **({"controls": controls.wire()} if controls is not None else {}),
    }
    keyed = {"idempotency": {"key": idempotency.key, "request": idempotency.request}}
    traced = {TRACEPARENT: traceparent} if traceparent else {}
    return [NewEvent(EventType.SESSION_STARTED, data, {**turn, **keyed, **traced})]
