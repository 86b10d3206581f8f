"""Budgets in a database, and the charges that come with the answers stored there."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from threading import Lock
from types import MappingProxyType

from sqlalchemy import Connection, and_, delete, func, or_, select, true
from sqlalchemy.dialects.postgresql import insert

from everruns.domain.budgets import Budget, LedgerEntry
from everruns.domain.charges import CHARGED_EVENTS, charges
from everruns.storage.sql.statements import upsert
from everruns.storage.sql.tables import budget_row, budgets, ledger, ledger_row, sessions
from everruns.storage.sql.transactions import Transactions
from everruns.storage.store import Append

_IN_FORCE = budgets.c.status != "disabled"


class SqlBudgets:
    """Keeps budgets in a database; implements ``BudgetStore``.

    Args:
        transactions: Of a database that has the tables.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._reading = transactions.reading
        self._writing = transactions.writing
        self._changing = Lock()
        with self._reading() as connection:
            found = connection.execute(select(budgets.c.subject_id).where(_IN_FORCE))
            # Subjects with an active budget, and perhaps some whose change was not stored: an
            # entry too many costs only a query.
            self._budgeted = set(found.scalars())

    def put_budget(self, budget: Budget) -> None:
        """Store a budget, replacing the one with its id."""
        subject_id = budget.subject_id
        of_subject = and_(budgets.c.subject_id == subject_id, _IN_FORCE)
        with self._changing:
            with self._writing() as connection:
                upsert(connection, budgets, [budget_row(budget)])
                in_force = connection.execute(select(budgets.c.id).where(of_subject)).first()
                # Before the commit, because the next writer must know.
                self._budgeted.add(subject_id)
            if in_force is None:
                self._budgeted.discard(subject_id)

    def find_budget(self, budget_id: str) -> Budget | None:
        """Return a budget, active or disabled."""
        statement = select(budgets.c.document).where(budgets.c.id == budget_id)
        with self._reading() as connection:
            document = connection.execute(statement).scalar_one_or_none()
        return Budget.model_validate_json(document) if document else None

    def list_budgets(
        self,
        subject_type: str | None = None,
        subject_ids: Collection[str] | None = None,
        limit: int | None = None,
    ) -> list[Budget]:
        """Return the active budgets, newest first."""
        c = budgets.c
        matching = and_(
            _IN_FORCE,
            true() if subject_type is None else c.subject_type == subject_type,
            true() if subject_ids is None else c.subject_id.in_(subject_ids),
        )
        newest_first = c.created_at.desc(), c.id.desc()
        statement = select(c.document).where(matching).order_by(*newest_first).limit(limit)
        with self._reading() as connection:
            documents = connection.execute(statement).scalars().all()
        return [Budget.model_validate_json(document) for document in documents]

    def is_budgeted(self, subject_id: str | None) -> bool:
        """Tell whether a subject has active budgets. Answers at once, from memory."""
        return subject_id in self._budgeted

    def put_ledger_entry(self, entry: LedgerEntry) -> None:
        """Store an entry of a ledger; an existing entry stays as it is."""
        with self._writing() as connection:
            _enter(connection, [entry])

    def list_ledger(self, budget_id: str, offset: int, limit: int) -> list[LedgerEntry]:
        """Return entries of a budget's ledger, newest first."""
        c = ledger.c
        newest_first = c.created_at.desc(), c.id.desc()
        statement = select(c.document).where(c.budget_id == budget_id).order_by(*newest_first)
        with self._reading() as connection:
            documents = connection.execute(statement.offset(offset).limit(limit)).scalars().all()
        return [LedgerEntry.model_validate_json(document) for document in documents]

    def ledger_totals(
        self, budget_ids: Collection[str], since: Mapping[str, str] = MappingProxyType({})
    ) -> dict[str, Decimal]:
        """Return the sum of each ledger that has entries."""
        c = ledger.c
        of_all_times = c.budget_id.in_([known for known in budget_ids if known not in since])
        of_periods = [
            and_(c.budget_id == known, c.created_at >= since[known])
            for known in budget_ids
            if known in since
        ]
        counted = or_(of_all_times, *of_periods)
        statement = select(c.budget_id, func.sum(c.amount)).where(counted)
        with self._reading() as connection:
            rows = connection.execute(statement.group_by(c.budget_id)).all()
        return {budget_id: Decimal(amount) for budget_id, amount in rows}

    # Budget changes in the transactions of sessions

    def _charge(self, connection: Connection, stored: Sequence[Append]) -> None:
        """Charge the answers among the events that a transaction has stored."""
        if not self._budgeted:
            return
        events = [
            event for append in stored for event in append.events if event.type in CHARGED_EVENTS
        ]
        if not events:
            return
        c = sessions.c
        of_events = c.id.in_({event.session_id for event in events})
        rows = connection.execute(select(c.id, c.agent_id).where(of_events)).all()
        subjects = {subject for row in rows for subject in row if subject in self._budgeted}
        if not subjects:
            return
        concerned = and_(budgets.c.subject_id.in_(subjects), _IN_FORCE)
        documents = connection.execute(select(budgets.c.document).where(concerned)).scalars()
        in_force = [Budget.model_validate_json(document) for document in documents]
        agents = {row.id: row.agent_id for row in rows}
        _enter(connection, charges(events, in_force, agents))

    def _delete_budgets(self, connection: Connection, session_id: str) -> None:
        """Delete a session's own budgets with their ledgers."""
        gone = delete(budgets).where(budgets.c.subject_id == session_id).returning(budgets.c.id)
        if budget_ids := connection.execute(gone).scalars().all():
            connection.execute(delete(ledger).where(ledger.c.budget_id.in_(budget_ids)))


def _enter(connection: Connection, entries: Sequence[LedgerEntry]) -> None:
    if entries:
        rows = [ledger_row(entry) for entry in entries]
        connection.execute(insert(ledger).on_conflict_do_nothing(), rows)
