"""Routes that list budgets and their ledgers as the Everruns SDK reads them: without a page around.

Source: docs/sdk.md, "Spending".
"""

from collections.abc import Sequence

from everruns.api.http.parameters import DEFAULT_LIMIT, BudgetId, Limit, Offset, TheRuntime
from everruns.api.http.routes import Routes
from everruns.api.routes.budgets import OfSubject, OfSubjectType, list_budgets, list_ledger
from everruns.domain.budgets import BudgetShown, LedgerEntry

routes = Routes("budgets")


@routes.add("GET /budgets", name="list_budgets")
async def list_sdk_budgets(
    runtime: TheRuntime,
    subject_type: OfSubjectType = None,
    subject_id: OfSubject = None,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Sequence[BudgetShown]:
    """List the active budgets, newest first."""
    page = await list_budgets(runtime, subject_type, subject_id, offset, limit)
    return page.data


@routes.add("GET /budgets/{budget_id}/ledger", name="list_ledger")
async def list_sdk_ledger(
    budget_id: BudgetId, runtime: TheRuntime, offset: Offset = 0, limit: Limit = DEFAULT_LIMIT
) -> Sequence[LedgerEntry]:
    """List a budget's charges (positive) and top-ups (negative), newest first."""
    page = await list_ledger(budget_id, runtime, offset, limit)
    return page.data
