"""Budgets: how much a session, or all sessions of an agent, may spend.

The balance is always derived: the limit minus the sum of the ledger, or of what it has since the
current period of a budget that renews. The ledger has one entry for each model answer, interrupted
or not (``everruns.domain.charges``), and for each top-up.

Source: docs/contract.md, "Budget".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from everruns.domain.base import Description, Model, Number
from everruns.domain.forms import id_form
from everruns.domain.periods import Period
from everruns.ids import format_time

MAX_AMOUNT = 10**12
MAX_BUDGETS = 20
"""Maximum active budgets of one subject: each answer is charged to all of them."""

SubjectType = Literal["session", "agent"]
Currency = Annotated[
    Literal["tokens", "usd"],
    BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
]
SubjectId = Annotated[str, Field(pattern=id_form("(session|agent)"))]
Amount = Annotated[float, Field(ge=0, le=MAX_AMOUNT), Number]
Metadata = Annotated[dict[str, Any], Field(max_length=100)]
SetStatus = Literal["active", "paused", "disabled"]


class BudgetInput(Model):
    """Creates a budget."""

    subject_type: SubjectType
    subject_id: SubjectId
    currency: Currency
    limit: Amount
    soft_limit: Amount | None = None
    period: Period | None = Field(
        None, description="How often it renews: only spending of the current period counts."
    )
    metadata: Metadata | None = None


class BudgetPatch(Model):
    """The fields of a budget to change; absent fields stay as they are."""

    limit: Amount = 0.0
    soft_limit: Amount | None = None
    status: SetStatus = "active"
    metadata: Metadata | None = None


class TopUp(Model):
    """An amount to add to a budget."""

    amount: Annotated[float, Field(gt=0, le=MAX_AMOUNT), Number]
    description: Description | None = None


class BudgetFields(Model):
    """The fields that every view of a budget has.

    Attributes:
        soft_limit: Spending beyond this gives a warning.
    """

    id: str
    subject_type: SubjectType
    subject_id: str
    currency: Literal["tokens", "usd"]
    limit: float
    soft_limit: float | None = None
    period: Period | None = None
    metadata: dict[str, Any] | None = None
    organization_id: str
    created_at: str
    updated_at: str


class Budget(BudgetFields):
    """A stored budget, without its balance.

    Attributes:
        status: Set by its owner; whether the budget is exhausted follows from its ledger.
    """

    status: SetStatus = "active"


class BudgetShown(BudgetFields):
    """A budget with its balance, as a client sees it."""

    status: Literal["active", "paused", "exhausted", "disabled"]
    balance: float = Field(
        description="What is left; negative if the last answer exceeded the limit."
    )
    period_started_at: str | None = None
    renews_at: str | None = None


class LedgerEntry(Model):
    """The cost of an answer (positive) or a top-up (negative)."""

    id: str
    budget_id: str
    amount: float
    meter_source: Literal["model_answer", "top_up"]
    ref_type: str | None = None
    ref_id: str | None = None
    session_id: str | None = None
    description: str | None = None
    created_at: str


class BudgetCheck(Model):
    """What budgets mean for the next model call; of several, the strictest one decides.

    Attributes:
        action: ``continue``; ``warn`` beyond a soft limit; ``pause`` or ``stop`` if the turn ends.
        error_code: The code of the turn's failure, as in ``turn.failed``.
    """

    action: Literal["continue", "warn", "pause", "stop"]
    budget_id: str | None = None
    balance: float | None = None
    currency: str | None = None
    message: str | None = None
    error_code: str | None = None
    error_fields: dict[str, Any] | None = None


@dataclass(frozen=True)
class Standing:
    """A budget and what was spent of it.

    Attributes:
        budget: The budget.
        spent: The sum of its ledger; of a budget that renews, since the period began.
        now_ms: When, in milliseconds since the epoch.
    """

    budget: Budget
    spent: Decimal
    now_ms: int

    @property
    def renews_at(self) -> str | None:
        """When the next period begins."""
        period = self.budget.period
        return format_time(period.bounds_ms(self.now_ms)[1]) if period else None

    @property
    def left(self) -> Decimal:
        """The balance."""
        return exact(self.budget.limit) - self.spent

    @property
    def used(self) -> float:
        """The part of the limit that is used; 1 and more is exhausted."""
        limit = exact(self.budget.limit)
        return max(float(self.spent / limit), 0.0) if limit else 1.0

    @property
    def shown(self) -> BudgetShown:
        """The budget as a client sees it."""
        budget = self.budget
        exhausted = self.left <= 0 and budget.status != "disabled"
        decided = {
            "status": "exhausted" if exhausted else budget.status,
            "balance": float(self.left),
            "period_started_at": counts_from(budget, self.now_ms),
            "renews_at": self.renews_at,
        }
        return BudgetShown.model_validate({**dict(budget), **decided})

    @property
    def check(self) -> BudgetCheck:
        """What the budget means for the next model call."""
        budget = self.budget
        name = f"Budget {budget.id}"
        if budget.status == "disabled":
            return self._says("continue", None)
        if self.left <= 0:
            advice = "Top it up or raise its limit, then send a message to continue."
            if self.renews_at is not None:
                advice = (
                    f"It renews at {self.renews_at}. Wait for that, top it up or raise its limit, "
                    "then send a message to continue."
                )
            return self._says(
                "stop",
                f"{name} is exhausted: all {budget.limit:.12g} {budget.currency} are spent. "
                + advice,
                "budget_exhausted",
            )
        if budget.status == "paused":
            return self._says(
                "pause",
                f"{name} is paused. Resume it, then send a message to continue.",
                "budget_paused",
            )
        if budget.soft_limit is not None and self.spent > exact(budget.soft_limit):
            return self._says(
                "warn",
                f"{name} has passed its soft limit: {self.spent.normalize():f} of "
                f"{budget.limit:.12g} {budget.currency} are spent.",
            )
        return self._says("continue", None)

    @property
    def refusal(self) -> BudgetCheck:
        """What the budget means for a call without a known price."""
        return self._says(
            "stop",
            f"Budget {self.budget.id} is in usd, but the model's price is unknown, so "
            "nothing could be charged. Use a model with a known price, or a budget in tokens.",
            UNPRICED,
        )

    def _says(
        self,
        action: Literal["continue", "warn", "pause", "stop"],
        message: str | None,
        code: str | None = None,
    ) -> BudgetCheck:
        budget, balance = self.budget, float(self.left)
        fields = {
            "budget_id": budget.id,
            "balance": balance,
            "limit": budget.limit,
            "currency": budget.currency,
            **({"renews_at": self.renews_at} if self.renews_at else {}),
        }
        return BudgetCheck(
            action=action,
            budget_id=budget.id,
            balance=balance,
            currency=budget.currency,
            message=message,
            error_code=code,
            error_fields=fields if code else None,
        )


UNPRICED = "budget_unpriced"
_STRICTNESS = ("continue", "warn", "pause", "stop")


def check(standings: Iterable[Standing], *, has_price: bool = True) -> BudgetCheck:
    """Return the verdict of the strictest budget; without budgets, ``continue``.

    Of equally strict budgets, the one with the smallest part left decides.

    Args:
        standings: The budgets that apply to a model call.
        has_price: Whether the model's price is known. If not, a budget in dollars stops the call,
            because nothing would be charged and the budget would not limit anything.
    """

    def strictness(standing: Standing) -> tuple[int, Decimal]:
        limit = exact(standing.budget.limit)
        part = standing.left / limit if limit else Decimal(0)
        return _STRICTNESS.index(standing.check.action), -part

    in_force = [standing for standing in standings if standing.budget.status != "disabled"]
    unpriced = next((each for each in in_force if each.budget.currency == "usd"), None)
    if not has_price and unpriced:
        return unpriced.refusal
    strictest = max(in_force, key=strictness, default=None)
    return strictest.check if strictest else BudgetCheck(action="continue")


def counts_from(budget: Budget, now_ms: int) -> str | None:
    """Return since when the entries of a budget's ledger count; ``None`` if all do."""
    return format_time(budget.period.bounds_ms(now_ms)[0]) if budget.period else None


def exact(amount: float) -> Decimal:
    """Return an amount as the decimal number it is written as, so that sums are exact."""
    return Decimal(repr(amount))


def total(entries: Iterable[LedgerEntry]) -> Decimal:
    """Return the sum of ledger entries."""
    return sum((exact(entry.amount) for entry in entries), Decimal(0))
