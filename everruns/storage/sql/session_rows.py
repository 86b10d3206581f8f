"""Between sessions and their rows."""

from everruns.domain.events import TURN_OUTCOMES
from everruns.domain.sessions import Session, SessionSummary
from everruns.ids import parse_time
from everruns.storage.logs import FIRST_HOLDER
from everruns.storage.sql.session_conditions import SLEEPS
from everruns.storage.sql.tables import Row, StoredRow


def session_row(session: Session, length: int = 0) -> Row:
    """Return the row of a new session, before anything is appended to its log.

    Args:
        session: The session.
        length: How many events of another log its own begins with.
    """
    begun = SessionSummary(sequence=length, preview=session.preview, updated_at=session.updated_at)
    return {
        "id": session.id,
        "agent_id": session.agent_id,
        "workspace_id": session.workspace_id,
        "title": session.title,
        "created_ms": parse_time(session.created_at),
        "document": session.stored(),
        **summary_row(begun),
        "end_user": session.end_user,
        "holder": FIRST_HOLDER,
    }


def tag_rows(session: Session) -> list[Row]:
    """Return the rows of a session's tags."""
    return [{"session_id": session.id, "tag": tag} for tag in dict.fromkeys(session.tags)]


def session_of(row: StoredRow) -> Session:
    """Return the session of a row."""
    created = Session.model_validate_json(row["document"])
    if row["end_user"] is not None:
        created = created.model_copy(update={"end_user": row["end_user"]})
    if row["sequence"] == 0:
        return created
    return created.summed_up(SessionSummary.model_validate_json(row["summary"]))


def summary_row(summary: SessionSummary) -> Row:
    """Return the columns of a session that follow from its log."""
    return {
        "sequence": summary.sequence,
        "state": _state(summary),
        "preview": summary.preview,
        "summary": summary.model_dump_json(),
        "updated_ms": parse_time(summary.updated_at) if summary.updated_at else None,
    }


def parse_state(state: str) -> tuple[str, list[str]]:
    """Return the status in a row's column ``state``, and what its turn waits for."""
    status, *rest = state.split() or [""]
    return status, [word for word in rest if word not in TURN_OUTCOMES.values()]


def _state(summary: SessionSummary) -> str:
    """Return a session's status, followed by what its turn waits for, or how its last one ended.

    A turn waits for types of calls, or sleeps.
    """
    sleep = [SLEEPS] if summary.sleeps else []
    outcome = [summary.last_outcome] if summary.last_outcome else []
    waits = sorted({wait.type for wait in summary.waiting_for})
    return " ".join([summary.status, *waits, *sleep, *outcome])
