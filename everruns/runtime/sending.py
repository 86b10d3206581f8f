"""Sending: whether a session takes a user's message, and the events that it becomes.

Source: docs/contract.md, "Messages".
"""

from collections.abc import Sequence

from everruns.domain.events import EventType, NewEvent
from everruns.domain.idempotency import Idempotency
from everruns.domain.messages import ContentPart, Message, SendMessage
from everruns.domain.state import SessionState
from everruns.domain.trace_context import TRACEPARENT
from everruns.domain.turns import turn_context
from everruns.errors import IdempotencyKeyReused, Overloaded
from everruns.ids import format_time, new_id
from everruns.runtime.attachments import attached
from everruns.runtime.environment import Environment
from everruns.runtime.session import LiveSession
from everruns.runtime.waiting import discarded


async def send(
    session: LiveSession,
    sent: SendMessage,
    idempotency: Idempotency,
    environment: Environment,
    traceparent: str | None = None,
) -> int:
    """Store a user's message in the session's log.

    Args:
        session: The session.
        sent: The message.
        idempotency: Its key, and the digest of the request.
        environment: Knows the models, the session's files and the limits.
        traceparent: The trace context of the request, if it had one.

    Returns:
        The sequence of the message; for a repeated send, that of the one stored first.

    Raises:
        IdempotencyKeyReused: The key was used with a different body.
        InvalidRequest: The model does not take one of the controls, or a file of the message
            cannot be read.
        Overloaded: The running turn has too many unread messages.
        SessionTooLarge: The session has reached its size limit.
        UnknownModel: No active provider offers the model that the controls name.
    """
    content: Sequence[ContentPart] = ()
    if idempotency.key not in session.state.idempotency:
        if sent.controls is not None:
            await environment.check_wanted(session, sent.controls)
        content = await attached(sent.message.content, environment.files(session))

    def build(state: SessionState, now: int) -> list[NewEvent]:
        if earlier := state.idempotency.get(idempotency.key):
            request, _ = earlier
            if request != idempotency.request:
                raise IdempotencyKeyReused(
                    "This Idempotency-Key was used with a different request body. Use a new key."
                )
            return []
        if len(state.unread) >= environment.max_queued_messages:
            raise Overloaded(
                "The session has too many unread messages. Try again shortly.", None, 1.0
            )
        environment.check_size(state)
        # The message supersedes the answers that the turn is waiting for.
        instead = discarded(state.turn, now) if state.turn else []
        new = received(state, sent, content, idempotency, now, traceparent)
        return [*new, *instead]

    await session.append(build)
    return session.state.idempotency[idempotency.key][1]


def received(
    state: SessionState,
    sent: SendMessage,
    content: Sequence[ContentPart],
    idempotency: Idempotency,
    now: int,
    traceparent: str | None = None,
) -> list[NewEvent]:
    """Return the events of a send: the message, and a new turn unless one is open.

    Args:
        state: The session's state.
        sent: The message, as it was sent.
        content: Its parts, with what was read of its files.
        idempotency: Its key, and the digest of the request.
        now: The time in ms.
        traceparent: The trace context of the request, if it had one.
    """
    message = Message(
        id=new_id("message"),
        session_id=state.session_id,
        role="user",
        content=list(content),
        sequence=state.sequence + 1,
        controls=sent.controls,
        metadata=sent.metadata,
        tags=sent.tags,
        created_at=format_time(now),
    )
    context = (
        turn_context(state.turn)
        if state.turn
        else {"turn_id": new_id("turn"), "input_message_id": message.id}
    )
    keyed = {"idempotency": {"key": idempotency.key, "request": idempotency.request}}
    traced = {TRACEPARENT: traceparent} if traceparent else {}
    created = NewEvent(
        EventType.MESSAGE_CREATED, {"message": message.wire()}, {**context, **keyed, **traced}
    )
    if state.turn:
        return [created]
    return [created, NewEvent(EventType.SESSION_STARTED, context, {**context, **traced})]
