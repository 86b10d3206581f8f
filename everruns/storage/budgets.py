"""What a store promises about budgets and their ledgers.

``LogStore.append`` stores a model's answer and charges it to the budgets that apply in the same
transaction: an answer is charged exactly once, when it is stored. A budget is charged for answers
that are acknowledged after it was put, not for earlier ones.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Protocol

from everruns.domain.budgets import Budget, LedgerEntry
from everruns.storage.pages import ListQuery
from everruns.storage.receipts import Receipt


@dataclass(frozen=True)
class BudgetQuery(ListQuery):
    """A query for a page of the active budgets.

    Attributes:
        subject_type: Only budgets of this kind of subject.
        subject_id: Only budgets of this subject.
    """

    subject_type: str | None = None
    subject_id: str | None = None


class BudgetStore(Protocol):
    """Keeps budgets."""

    def put(self, budget: Budget, receipt: Receipt | None = None) -> bool:
        """Store a budget, replacing the one with its id, and the receipt of the request for it.

        Returns:
            Whether its subject is there. The budget of a session that was deleted is not stored.
        """
        ...

    def find(self, budget_id: str) -> Budget | None:
        """Return a budget, active or disabled."""
        ...

    def is_budgeted(self, subject_id: str | None) -> bool:
        """Tell whether a subject has active budgets. Answers at once, from memory."""
        ...

    def list_of(self, subject_ids: Collection[str]) -> list[Budget]:
        """Return the active budgets of some subjects, newest first."""
        ...

    def list(self, query: BudgetQuery) -> tuple[list[Budget], int]:
        """Return a page of the active budgets, newest first, and how many match in all."""
        ...


class LedgerStore(Protocol):
    """Keeps the entries of budgets: what they were charged and what was added to them."""

    def put(self, entry: LedgerEntry) -> bool:
        """Store an entry; an existing entry stays as it is.

        Returns:
            Whether its budget is there. If not, it was deleted with its session, and the entry is
            not stored.
        """
        ...

    def totals(
        self, budget_ids: Collection[str], since: Mapping[str, str] = MappingProxyType({})
    ) -> dict[str, Decimal]:
        """Return the sum of each ledger with entries, including everything acknowledged.

        Args:
            budget_ids: The budgets.
            since: For some of them, the time of the first entries that count.
        """
        ...

    def list(self, budget_id: str, offset: int, limit: int) -> tuple[list[LedgerEntry], int]:
        """Return a page of a budget's ledger, newest first, and how many entries it has."""
        ...
