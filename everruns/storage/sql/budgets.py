"""Budgets in a database, and the charges that come with the answers stored there."""

from collections.abc import Collection, Mapping, Sequence
from threading import Lock

from sqlalchemy import Connection, and_, delete, select, true

from everruns.domain.budgets import Budget
from everruns.domain.charges import CHARGED_EVENTS, charges
from everruns.storage.budgets import BudgetQuery
from everruns.storage.logs import Append
from everruns.storage.receipts import Receipt
from everruns.storage.sql.database import Database
from everruns.storage.sql.ledger import delete_ledgers, enter
from everruns.storage.sql.lists import full, select_page
from everruns.storage.sql.receipts import remember
from everruns.storage.sql.session_statements import keep_session
from everruns.storage.sql.statements import upsert
from everruns.storage.sql.tables import Row, budgets, sessions

_IN_FORCE = budgets.c.status != "disabled"


class SqlBudgets:
    """Implements ``BudgetStore``.

    Args:
        database: Has the tables.
        is_shared: Whether other processes put budgets too. Then an answer is charged by what the
            database knows; here is known what was loaded, what this process has put, and of a
            session what its last append or take has shown.
    """

    def __init__(self, database: Database, *, is_shared: bool = False) -> None:
        self._database = database
        self._is_shared = is_shared
        self._changing = Lock()
        # Subjects with an active budget, and perhaps some whose change was not stored: an entry too
        # many costs only a query.
        self._budgeted = set[str]()

    def load(self) -> None:
        """Read which subjects have active budgets."""
        with self._database.reading() as connection:
            found = connection.execute(select(budgets.c.subject_id).where(_IN_FORCE))
            self._budgeted = set(found.scalars())

    def put(self, budget: Budget, receipt: Receipt | None = None) -> bool:
        """Store a budget, replacing the one with its id, unless its session is gone."""
        subject_id = budget.subject_id
        of_subject = and_(budgets.c.subject_id == subject_id, _IN_FORCE)
        with self._changing:
            with self._database.writing() as connection:
                is_of_session = budget.subject_type == "session"
                if is_of_session and keep_session(connection, subject_id) is None:
                    return False
                upsert(connection, budgets, [_row(budget)])
                remember(connection, *filter(None, [receipt]))
                in_force = connection.execute(select(budgets.c.id).where(of_subject)).first()
                # Before the commit, because the next writer must know.
                self._budgeted.add(subject_id)
            if in_force is None:
                self._budgeted.discard(subject_id)
        return True

    def find(self, budget_id: str) -> Budget | None:
        """Return a budget, active or disabled."""
        statement = select(budgets.c.document).where(budgets.c.id == budget_id)
        with self._database.reading() as connection:
            document = connection.execute(statement).scalar_one_or_none()
        return Budget.model_validate_json(document) if document else None

    def is_budgeted(self, subject_id: str | None) -> bool:
        """Tell whether a subject has active budgets. Answers at once, from memory."""
        return subject_id in self._budgeted

    def charge(self, connection: Connection, stored: Sequence[Append]) -> None:
        """Charge the answers among the events that a transaction has stored."""
        events = [
            event for append in stored for event in append.events if event.type in CHARGED_EVENTS
        ]
        if not events or not (self._budgeted or self._is_shared):
            return
        c = sessions.c
        of_events = c.id.in_({event.session_id for event in events})
        rows = connection.execute(select(c.id, c.agent_id).where(of_events)).all()
        subjects = {
            subject
            for row in rows
            for subject in row
            if self._is_shared or subject in self._budgeted
        }
        if not subjects:
            return
        concerned = and_(budgets.c.subject_id.in_(subjects), _IN_FORCE)
        documents = connection.execute(select(budgets.c.document).where(concerned)).scalars()
        in_force = [Budget.model_validate_json(document) for document in documents]
        agents = {row.id: row.agent_id for row in rows}
        enter(connection, charges(events, in_force, agents))

    def heed(self, budgeted: Mapping[str, bool]) -> None:
        """Take note of which sessions have active budgets, as others may have put them."""
        with self._changing:
            for session_id, is_budgeted in budgeted.items():
                (self._budgeted.add if is_budgeted else self._budgeted.discard)(session_id)

    def look(self, connection: Connection, session_id: str) -> None:
        """Look whether a session has active budgets, if others may have put them."""
        if self._is_shared:
            of_session = and_(budgets.c.subject_id == session_id, _IN_FORCE)
            found = connection.execute(select(budgets.c.id).where(of_session)).first()
            self.heed({session_id: found is not None})

    def delete_of(self, connection: Connection, session_id: str) -> None:
        """Delete a session's own budgets with their ledgers."""
        gone = delete(budgets).where(budgets.c.subject_id == session_id).returning(budgets.c.id)
        if budget_ids := connection.execute(gone).scalars().all():
            delete_ledgers(connection, budget_ids)

    def forget(self, session_id: str) -> None:
        """Take note that a session and its budgets are deleted."""
        self._budgeted.discard(session_id)

    def list_of(self, subject_ids: Collection[str]) -> list[Budget]:
        """Return the active budgets of some subjects, newest first."""
        c = budgets.c
        of_subjects = and_(_IN_FORCE, c.subject_id.in_(subject_ids))
        newest_first = c.created_at.desc(), c.id.desc()
        statement = select(c.document).where(of_subjects).order_by(*newest_first)
        with self._database.reading() as connection:
            documents = connection.execute(statement).scalars().all()
        return [Budget.model_validate_json(document) for document in documents]

    def list(self, query: BudgetQuery) -> tuple[list[Budget], int]:
        """Return a page of the active budgets, newest first, and how many match in all."""
        c = budgets.c
        kind, subject_id = query.subject_type, query.subject_id
        matching = and_(
            _IN_FORCE,
            true() if kind is None else c.subject_type == kind,
            true() if subject_id is None else c.subject_id == subject_id,
        )
        with self._database.reading() as connection:
            rows, total = select_page(connection, c.created_at, matching, query)
        return [Budget.model_validate_json(row["document"]) for row in full(rows)], total


def _row(budget: Budget) -> Row:
    return {
        "id": budget.id,
        "subject_type": budget.subject_type,
        "subject_id": budget.subject_id,
        "status": budget.status,
        "created_at": budget.created_at,
        "document": budget.model_dump_json(),
    }
