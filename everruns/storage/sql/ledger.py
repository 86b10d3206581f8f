"""The ledgers of budgets in a database."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType

from sqlalchemy import Connection, and_, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from everruns.domain.budgets import LedgerEntry, exact
from everruns.storage.pages import ListQuery
from everruns.storage.sql.database import Database
from everruns.storage.sql.dialects import is_duckdb
from everruns.storage.sql.lists import full, select_page
from everruns.storage.sql.tables import Row, budgets, ledger


class SqlLedger:
    """Implements ``LedgerStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, entry: LedgerEntry) -> bool:
        """Store an entry, unless its budget is gone; an existing entry stays as it is."""
        budget = select(budgets.c.id).where(budgets.c.id == entry.budget_id)
        with self._database.writing() as connection:
            if not is_duckdb(connection):
                # Who deletes the budget waits, and then finds the entry.
                budget = budget.with_for_update(read=True, key_share=True)
            if connection.execute(budget).first() is None:
                return False
            enter(connection, [entry])
            return True

    def totals(
        self, budget_ids: Collection[str], since: Mapping[str, str] = MappingProxyType({})
    ) -> dict[str, Decimal]:
        """Return the sum of each ledger with entries."""
        c = ledger.c
        of_all_times = c.budget_id.in_([known for known in budget_ids if known not in since])
        of_periods = [
            and_(c.budget_id == known, c.created_at >= since[known])
            for known in budget_ids
            if known in since
        ]
        counted = or_(of_all_times, *of_periods)
        statement = select(c.budget_id, func.sum(c.amount)).where(counted)
        with self._database.reading() as connection:
            rows = connection.execute(statement.group_by(c.budget_id)).all()
        return {budget_id: Decimal(amount) for budget_id, amount in rows}

    def list(self, budget_id: str, offset: int, limit: int) -> tuple[list[LedgerEntry], int]:
        """Return a page of a budget's ledger, newest first, and how many entries it has."""
        c, query = ledger.c, ListQuery(offset=offset, limit=limit)
        with self._database.reading() as connection:
            rows, total = select_page(connection, c.created_at, c.budget_id == budget_id, query)
        return [LedgerEntry.model_validate_json(row["document"]) for row in full(rows)], total


def enter(connection: Connection, entries: Sequence[LedgerEntry]) -> None:
    """Store entries; existing entries stay as they are."""
    if entries:
        rows = [_row(entry) for entry in entries]
        connection.execute(insert(ledger).on_conflict_do_nothing(), rows)


def delete_ledgers(connection: Connection, budget_ids: Collection[str]) -> None:
    """Delete all entries of budgets."""
    connection.execute(delete(ledger).where(ledger.c.budget_id.in_(budget_ids)))


def _row(entry: LedgerEntry) -> Row:
    return {
        "id": entry.id,
        "budget_id": entry.budget_id,
        "amount": exact(entry.amount),
        "created_at": entry.created_at,
        "document": entry.model_dump_json(),
    }
