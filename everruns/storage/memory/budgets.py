"""Budgets and their ledgers in memory."""

from collections.abc import Collection, Mapping
from decimal import Decimal
from types import MappingProxyType

from everruns.domain.budgets import Budget, LedgerEntry, total
from everruns.storage.budgets import BudgetQuery
from everruns.storage.memory.contents import Contents, age, page_of
from everruns.storage.pages import ListQuery
from everruns.storage.receipts import Receipt


class MemoryBudgets:
    """Implements ``BudgetStore``."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def put(self, budget: Budget, receipt: Receipt | None = None) -> bool:
        """Store a budget, replacing the one with its id, unless its session is gone."""
        with self._contents.lock:
            is_of_session = budget.subject_type == "session"
            if is_of_session and budget.subject_id not in self._contents.sessions:
                return False
            self._contents.budgets[budget.id] = budget
            self._contents.remember(receipt)
            return True

    def find(self, budget_id: str) -> Budget | None:
        """Return a budget, active or disabled."""
        with self._contents.lock:
            return self._contents.budgets.get(budget_id)

    def is_budgeted(self, subject_id: str | None) -> bool:
        """Tell whether a subject has active budgets. Answers at once, from memory."""
        with self._contents.lock:
            in_force = self._contents.budgets_in_force()
        return any(budget.subject_id == subject_id for budget in in_force)

    def list_of(self, subject_ids: Collection[str]) -> list[Budget]:
        """Return the active budgets of some subjects, newest first."""
        with self._contents.lock:
            in_force = self._contents.budgets_in_force()
        found = [budget for budget in in_force if budget.subject_id in subject_ids]
        return sorted(found, key=age, reverse=True)

    def list(self, query: BudgetQuery) -> tuple[list[Budget], int]:
        """Return a page of the active budgets, newest first, and how many match in all."""
        with self._contents.lock:
            in_force = self._contents.budgets_in_force()
        found = [
            budget
            for budget in in_force
            if query.subject_type in (None, budget.subject_type)
            and query.subject_id in (None, budget.subject_id)
        ]
        return page_of(found, query)


class MemoryLedger:
    """Implements ``LedgerStore``."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def put(self, entry: LedgerEntry) -> bool:
        """Store an entry, unless its budget is gone; an existing entry stays as it is."""
        with self._contents.lock:
            if entry.budget_id not in self._contents.budgets:
                return False
            self._contents.enter([entry])
            return True

    def totals(
        self, budget_ids: Collection[str], since: Mapping[str, str] = MappingProxyType({})
    ) -> dict[str, Decimal]:
        """Return the sum of each ledger with entries."""
        with self._contents.lock:
            counted = {
                budget_id: [
                    entry
                    for entry in self._contents.ledgers.get(budget_id, {}).values()
                    if entry.created_at >= since.get(budget_id, "")
                ]
                for budget_id in budget_ids
            }
        return {budget_id: total(entries) for budget_id, entries in counted.items() if entries}

    def list(self, budget_id: str, offset: int, limit: int) -> tuple[list[LedgerEntry], int]:
        """Return a page of a budget's ledger, newest first, and how many entries it has."""
        with self._contents.lock:
            entries = [*self._contents.ledgers.get(budget_id, {}).values()]
        return page_of(entries, ListQuery(offset=offset, limit=limit))
