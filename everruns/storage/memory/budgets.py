"""Budgets in memory, and the charges that come with the answers stored there."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from threading import Lock
from types import MappingProxyType

from everruns.domain.budgets import Budget, LedgerEntry, total
from everruns.domain.charges import charges
from everruns.storage.store import Append


class MemoryBudgets:
    """Keeps budgets in dictionaries behind a lock; implements ``BudgetStore``."""

    def __init__(self) -> None:
        self._budgets_lock = Lock()
        self._budgets: dict[str, Budget] = {}
        self._ledgers: dict[str, dict[str, LedgerEntry]] = {}

    def put_budget(self, budget: Budget) -> None:
        """Store a budget, replacing the one with its id."""
        with self._budgets_lock:
            self._budgets[budget.id] = budget

    def find_budget(self, budget_id: str) -> Budget | None:
        """Return a budget, active or disabled."""
        with self._budgets_lock:
            return self._budgets.get(budget_id)

    def list_budgets(
        self,
        subject_type: str | None = None,
        subject_ids: Collection[str] | None = None,
        limit: int | None = None,
    ) -> list[Budget]:
        """Return the active budgets, newest first."""
        with self._budgets_lock:
            found = [
                budget
                for budget in self._in_force()
                if (subject_type is None or budget.subject_type == subject_type)
                and (subject_ids is None or budget.subject_id in subject_ids)
            ]
        found.sort(key=lambda budget: (budget.created_at, budget.id), reverse=True)
        return found[:limit]

    def is_budgeted(self, subject_id: str | None) -> bool:
        """Tell whether a subject has active budgets. Answers at once, from memory."""
        with self._budgets_lock:
            return any(budget.subject_id == subject_id for budget in self._in_force())

    def _in_force(self) -> list[Budget]:
        return [budget for budget in self._budgets.values() if budget.status != "disabled"]

    def put_ledger_entry(self, entry: LedgerEntry) -> None:
        """Store an entry of a ledger; an existing entry stays as it is."""
        with self._budgets_lock:
            self._enter([entry])

    def list_ledger(self, budget_id: str, offset: int, limit: int) -> list[LedgerEntry]:
        """Return entries of a budget's ledger, newest first."""
        with self._budgets_lock:
            entries = list(self._ledgers.get(budget_id, {}).values())
        entries.sort(key=lambda entry: (entry.created_at, entry.id), reverse=True)
        return entries[offset : offset + limit]

    def ledger_totals(
        self, budget_ids: Collection[str], since: Mapping[str, str] = MappingProxyType({})
    ) -> dict[str, Decimal]:
        """Return the sum of each ledger that has entries."""
        with self._budgets_lock:
            counted = {
                budget_id: [
                    entry
                    for entry in self._ledgers.get(budget_id, {}).values()
                    if entry.created_at >= since.get(budget_id, "")
                ]
                for budget_id in budget_ids
            }
            return {budget_id: total(entries) for budget_id, entries in counted.items() if entries}

    # Operations on sessions that affect budgets

    def _charge(self, stored: Sequence[Append], agents: Mapping[str, str | None]) -> None:
        """Charge the answers among the stored events, given the sessions' agents."""
        events = [event for append in stored for event in append.events]
        with self._budgets_lock:
            self._enter(charges(events, self._in_force(), agents))

    def _delete_budgets(self, session_id: str) -> None:
        """Delete a session's own budgets with their ledgers."""
        with self._budgets_lock:
            for budget in list(self._budgets.values()):
                if budget.subject_id == session_id:
                    del self._budgets[budget.id]
                    self._ledgers.pop(budget.id, None)

    def _enter(self, entries: Sequence[LedgerEntry]) -> None:
        for entry in entries:
            self._ledgers.setdefault(entry.budget_id, {}).setdefault(entry.id, entry)
