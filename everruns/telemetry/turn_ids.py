"""The ids with which the work of a turn is logged."""

from everruns.domain.sessions import Session
from everruns.domain.trace_context import trace_id_of


def turn_ids(session: Session, turn_id: str, traceparent: str | None = None) -> dict[str, str]:
    """Return the ids for the log lines of a turn.

    Args:
        session: Its session.
        turn_id: The turn.
        traceparent: The trace context of the request that began it, if that had one.
    """
    trace_id = trace_id_of(turn_id, traceparent)
    ids = {"session_id": session.id, "turn_id": turn_id, "trace_id": trace_id}
    return ids if session.agent_id is None else {**ids, "agent_id": session.agent_id}
