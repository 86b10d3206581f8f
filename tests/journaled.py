"""What tests of the journaled store put into it, and how they make its database fail."""

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import TypeVar

import pytest

from everruns.domain.budgets import Budget
from everruns.domain.events import EventType, NewEvent
from everruns.domain.sessions import Session, SessionSummary
from everruns.errors import StoreUnavailable
from everruns.storage.data_directory.opening import JOURNAL_FOLDER
from everruns.storage.logs import FIRST_HOLDER, Append
from everruns.storage.sql.logs import SqlLogs

TIME = "2026-01-01T00:00:00.000Z"
SESSIONS = [f"session_{number:032x}" for number in range(3)]
MORE_SESSIONS = [f"session_{number:032x}" for number in range(3, 6)]
AGENT = f"agent_{1:032x}"
BUDGETS = ["budget_of_the_agent", "budget_of_a_session"]


def session(session_id: str, end_user: str | None = None) -> Session:
    return Session(
        id=session_id,
        end_user=end_user,
        agent_id=AGENT,
        harness_id="h",
        organization_id="o",
        workspace_id=session_id,
        created_at=TIME,
        updated_at=TIME,
    )


def budget(budget_id: str, subject_id: str, status: str = "active") -> Budget:
    return Budget.model_validate(
        {
            "id": budget_id,
            "subject_type": subject_id.partition("_")[0],
            "subject_id": subject_id,
            "currency": "tokens",
            "limit": 100,
            "status": status,
            "organization_id": "o",
            "created_at": TIME,
            "updated_at": TIME,
        }
    )


def append(session_id: str, expected: int, count: int, text: str = "") -> Append:
    """Every event is an answer of a model, and costs as many tokens as its place in the log."""
    events = [
        NewEvent(
            EventType.MESSAGE_CREATED,
            {"text": text, "message": {"id": f"m{place}"}, "usage": {"output_tokens": place}},
            {},
        ).at(session_id, place, place)
        for place in range(expected, expected + count)
    ]
    summary = SessionSummary(sequence=expected - 1 + count, preview=text, suspicion=len(text))
    return Append(session_id, expected, events, summary, FIRST_HOLDER)


Answer = TypeVar("Answer")


def refuse_appends(patch: pytest.MonkeyPatch) -> None:
    """Let the database refuse what comes out of the journal, as if its disk were full."""

    def refuse(_logs: SqlLogs, _taken: object, _appends: object) -> None:
        raise StoreUnavailable("The server's disk is full: nothing was stored")

    patch.setattr(SqlLogs, "apply", refuse)


def fail_after_the_next_append(patch: pytest.MonkeyPatch) -> Event:
    """Let the database store what comes next, and say that it did not."""
    put, failed = SqlLogs.apply, Event()

    def commit_and_fail(logs: SqlLogs, taken: dict[str, int], appends: list[Append]) -> object:
        verdicts = put(logs, taken, appends)
        if not failed.is_set():
            failed.set()
            raise StoreUnavailable("The database did not answer")
        return verdicts

    patch.setattr(SqlLogs, "apply", commit_and_fail)
    return failed


def in_the_end(read: Callable[[], Answer]) -> Answer:
    """What the store answers when it is available again."""
    while True:
        try:
            return read()
        except StoreUnavailable:
            continue


def journal_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / JOURNAL_FOLDER).iterdir())
