"""Routes of budgets.

Source: docs/contract.md, "Budget".
"""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Query, Request, Response

from everruns.api.http.answers import answer
from everruns.api.http.parameters import (
    DEFAULT_LIMIT,
    BudgetId,
    Limit,
    Offset,
    SessionId,
    TheRuntime,
    runtime_of,
)
from everruns.api.http.reads import Reads
from everruns.api.http.requests import read_body, read_key
from everruns.api.http.routes import Routes
from everruns.domain.base import Model, Page
from everruns.domain.budgets import (
    BudgetCheck,
    BudgetInput,
    BudgetPatch,
    BudgetShown,
    LedgerEntry,
    SubjectId,
    SubjectType,
    TopUp,
)
from everruns.storage.budgets import BudgetQuery

EXAMPLE = {
    "subject_type": "session",
    "subject_id": "session_01980000000070008000000000000001",
    "currency": "usd",
    "limit": 10,
    "soft_limit": 8,
}


OfSubjectType = Annotated[
    SubjectType | None, Query(description="Only budgets of this kind of subject.")
]
OfSubject = Annotated[SubjectId | None, Query(description="Only budgets of this subject.")]

routes = Routes("budgets")
# Not on the face of the SDK, which reads bare lists.
pages = Routes("budgets")


class Resumed(Model):
    """How many of the session's budgets were resumed."""

    session_id: str
    resumed_budgets: int


@pages.add("GET /budgets")
async def list_budgets(
    runtime: TheRuntime,
    subject_type: OfSubjectType = None,
    subject_id: OfSubject = None,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[BudgetShown]:
    """List the active budgets, newest first."""
    query = BudgetQuery(
        subject_type=subject_type, subject_id=subject_id, offset=offset, limit=limit
    )
    return await runtime.budgets.list(query)


@pages.add("GET /budgets/{budget_id}/ledger")
async def list_ledger(
    budget_id: BudgetId, runtime: TheRuntime, offset: Offset = 0, limit: Limit = DEFAULT_LIMIT
) -> Page[LedgerEntry]:
    """List a budget's charges (positive) and top-ups (negative), newest first."""
    return await runtime.budgets.ledger(budget_id, offset, limit)


@routes.add(
    "POST /budgets",
    status_code=201,
    response_model=BudgetShown,
    reads=Reads(BudgetInput, {"dollars": EXAMPLE}, is_keyed=True),
)
async def create_budget(request: Request) -> Response:
    """Create a budget; its subject's spending is charged to it from now on."""
    wanted = await read_body(request, BudgetInput)
    budgets = runtime_of(request).budgets
    return answer(await budgets.create(wanted, await read_key(request)))


@routes.add("GET /budgets/{budget_id}")
async def get_budget(budget_id: BudgetId, runtime: TheRuntime) -> BudgetShown:
    """Read a budget and its balance; disabled budgets can be read too."""
    return await runtime.budgets.get(budget_id)


@routes.add("PATCH /budgets/{budget_id}")
async def update_budget(
    budget_id: BudgetId, patch: BudgetPatch, runtime: TheRuntime
) -> BudgetShown:
    """Change the given fields of a budget."""
    return await runtime.budgets.update(budget_id, patch)


@routes.add("DELETE /budgets/{budget_id}", status_code=204)
async def disable_budget(budget_id: BudgetId, runtime: TheRuntime) -> None:
    """Disable a budget: it is no longer enforced or listed, but can still be read."""
    await runtime.budgets.disable(budget_id)


@routes.add("POST /budgets/{budget_id}/top-up")
async def top_up_budget(budget_id: BudgetId, added: TopUp, runtime: TheRuntime) -> BudgetShown:
    """Top up a budget."""
    return await runtime.budgets.top_up(budget_id, added)


@routes.add("GET /budgets/{budget_id}/check")
async def check_budget(budget_id: BudgetId, runtime: TheRuntime) -> BudgetCheck:
    """Check what a budget means for the next model call."""
    return await runtime.budgets.check(budget_id)


@routes.add("GET /sessions/{session_id}/budgets")
async def list_session_budgets(session_id: SessionId, runtime: TheRuntime) -> Sequence[BudgetShown]:
    """List the active budgets that apply to a session: its own and its agent's."""
    return await runtime.budgets.list_of_session(session_id)


@routes.add("GET /sessions/{session_id}/budget-check")
async def check_session_budgets(session_id: SessionId, runtime: TheRuntime) -> BudgetCheck:
    """Check what the strictest budget of a session and its agent means for its next model call."""
    return await runtime.budgets.check_session(session_id)


@routes.add("POST /sessions/{session_id}/resume")
async def resume_session(session_id: SessionId, runtime: TheRuntime) -> Resumed:
    """Resume the session's own paused budgets; send a message to continue the session."""
    resumed = await runtime.budgets.resume_session(session_id)
    return Resumed(session_id=session_id, resumed_budgets=resumed)
