"""Budgets, which are charged when the database gets what the journal holds."""

from collections.abc import Collection, Mapping
from decimal import Decimal
from types import MappingProxyType

from everruns.domain.budgets import Budget, LedgerEntry
from everruns.storage.journal.write_ahead import WriteAhead
from everruns.storage.receipts import Receipt
from everruns.storage.sql.budgets import SqlBudgets


class JournaledBudgets:
    """Implements ``BudgetStore``; the budgets themselves never go through the journal."""

    def __init__(self, ahead: WriteAhead, budgets: SqlBudgets) -> None:
        self._ahead = ahead
        self.find = budgets.find
        self.is_budgeted = budgets.is_budgeted
        self.list = budgets.list
        self.list_of = budgets.list_of

    def put(self, budget: Budget, receipt: Receipt | None = None) -> bool:
        """Store a budget, replacing the one with its id, unless its session is gone."""
        # What came before is none of its business, and charged where the old one said so.
        with self._ahead.still() as database:
            return database.budgets.put(budget, receipt)


class JournaledLedger:
    """Implements ``LedgerStore``."""

    def __init__(self, ahead: WriteAhead) -> None:
        self._ahead = ahead

    def put(self, entry: LedgerEntry) -> bool:
        """Store an entry, unless its budget is gone; an existing entry stays as it is."""
        return self._ahead.settled().ledger.put(entry)

    def totals(
        self, budget_ids: Collection[str], since: Mapping[str, str] = MappingProxyType({})
    ) -> dict[str, Decimal]:
        """Return the sum of each ledger with entries, including everything acknowledged."""
        return self._ahead.settled().ledger.totals(budget_ids, since)

    def list(self, budget_id: str, offset: int, limit: int) -> tuple[list[LedgerEntry], int]:
        """Return a page of a budget's ledger, newest first, and how many entries it has."""
        return self._ahead.settled().ledger.list(budget_id, offset, limit)
