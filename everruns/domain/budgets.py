"""Budgets: how much a session, or all sessions of an agent, may spend.

What is left is derived and never counted by hand: the limit, less the sum of the ledger. The ledger
has one entry for each answer of a model, broken off or not, and each top-up. The id of an answer's
entry is made of the budget and of the answer's place in its log, so that one recorded twice is one.

Source: docs/sdk.md, "Spending".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2s
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from everruns.domain.base import Description, Model, Number
from everruns.domain.events import Event, EventType
from everruns.domain.usage import Usage
from everruns.ids import format_time

MAX_AMOUNT = 10**12
MAX_BUDGETS = 20
"""How many budgets in force one subject may have: each answer is charged to all of them."""

CHARGED_EVENTS = frozenset(
    {EventType.MESSAGE_CREATED, EventType.SESSION_FAILED, EventType.SESSION_CANCELLED}
)
"""Events that say what a model call has used, one call each."""

SubjectType = Literal["session", "agent"]
Currency = Annotated[
    Literal["tokens", "usd"],
    BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
]
SubjectId = Annotated[str, Field(pattern=r"^(session|agent)_[0-9a-f]{32}$")]
Amount = Annotated[float, Field(ge=0, le=MAX_AMOUNT), Number]
Metadata = Annotated[dict[str, Any], Field(max_length=100)]
SetStatus = Literal["active", "paused", "disabled"]


class BudgetInput(Model):
    """What creates a budget."""

    subject_type: SubjectType
    subject_id: SubjectId
    currency: Currency
    limit: Amount
    soft_limit: Amount | None = None
    period: None = Field(None, description="Budgets that renew themselves are not offered.")
    metadata: Metadata | None = None


class BudgetPatch(Model):
    """The fields of a budget to change; those not sent stay as they are."""

    limit: Amount = 0.0
    soft_limit: Amount | None = None
    status: SetStatus = "active"
    metadata: Metadata | None = None


class TopUp(Model):
    """What is added to a budget."""

    amount: Annotated[float, Field(gt=0, le=MAX_AMOUNT), Number]
    description: Description | None = None


class BudgetFields(Model):
    """What is always known of a budget.

    Attributes:
        soft_limit: Spending of more than this is warned of.
    """

    id: str
    subject_type: SubjectType
    subject_id: str
    currency: Literal["tokens", "usd"]
    limit: float
    soft_limit: float | None = None
    metadata: dict[str, Any] | None = None
    organization_id: str
    created_at: str
    updated_at: str


class Budget(BudgetFields):
    """A budget as it is stored, without what is left of it.

    Attributes:
        status: What its owner decided; whether it is exhausted is for its ledger to say.
    """

    status: SetStatus = "active"


class BudgetShown(BudgetFields):
    """A budget with what is left of it, as a client sees it."""

    status: Literal["active", "paused", "exhausted", "disabled"]
    balance: float = Field(description="What is left; below zero by what the last answer exceeded.")


class LedgerEntry(Model):
    """What an answer cost (a positive amount), or what a top-up added (a negative one)."""

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
    """What budgets say of the next model call: of several, the strictest one speaks.

    Attributes:
        action: ``continue``; ``warn`` beyond a soft limit; ``pause`` or ``stop`` where turns end.
        error_code: With which they end, as ``turn.failed`` shows it.
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
    """A budget and the sum of its ledger."""

    budget: Budget
    spent: Decimal

    @property
    def left(self) -> Decimal:
        """The balance."""
        return exact(self.budget.limit) - self.spent

    @property
    def shown(self) -> BudgetShown:
        """The budget as a client sees it."""
        budget = self.budget
        exhausted = self.left <= 0 and budget.status != "disabled"
        decided = {
            "status": "exhausted" if exhausted else budget.status,
            "balance": float(self.left),
        }
        return BudgetShown.model_validate({**dict(budget), **decided})

    @property
    def check(self) -> BudgetCheck:
        """What the budget says of the next model call."""
        budget = self.budget
        name = f"Budget {budget.id}"
        if budget.status == "disabled":
            return self._says("continue", None)
        if self.left <= 0:
            advice = "Top it up or raise its limit, then send a message to go on."
            return self._says(
                "stop",
                f"{name} is exhausted: of {budget.limit:.12g} {budget.currency} nothing is left. "
                + advice,
                "budget_exhausted",
            )
        if budget.status == "paused":
            return self._says(
                "pause", f"{name} is paused. Resume it, then send a message.", "budget_paused"
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
        """What the budget says of a call whose price is not known."""
        return self._says(
            "stop",
            f"Budget {self.budget.id} is in usd, but the price of the model is not known, so "
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
    """Return what the strictest of several budgets says; without any, to continue.

    Of equally strict ones the one speaks of which the smallest part is left.

    Args:
        standings: The budgets that concern a model call.
        has_price: Whether it is known what the model costs. If not, a budget in dollars stops it:
            nothing would be charged, and the budget would be no limit.
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


def exact(amount: float) -> Decimal:
    """Return the decimal number that an amount is written as: sums of these lose nothing."""
    return Decimal(repr(amount))


def total(entries: Iterable[LedgerEntry]) -> Decimal:
    """Return the sum of entries of a ledger."""
    return sum((exact(entry.amount) for entry in entries), Decimal(0))


def charges(
    events: Iterable[Event], budgets: Sequence[Budget], agents: Mapping[str, str | None]
) -> list[LedgerEntry]:
    """Return what events cost the budgets that they concern; what cost nothing leaves no entry.

    Args:
        events: Of any sessions.
        budgets: Those in force that may be concerned.
        agents: For each of the sessions its agent.
    """
    entries: list[LedgerEntry] = []
    for event in events:
        subjects = (event.session_id, agents.get(event.session_id))
        concerned = [budget for budget in budgets if budget.subject_id in subjects]
        if not concerned or event.type not in CHARGED_EVENTS:
            continue
        spent = _spent(event)
        if spent is None:
            continue
        usage, ref_type, ref_id = spent
        entries += [
            LedgerEntry(
                id=_entry_id(budget, event),
                budget_id=budget.id,
                amount=amount,
                meter_source="model_answer",
                ref_type=ref_type,
                ref_id=ref_id,
                session_id=event.session_id,
                created_at=format_time(event.ts),
            )
            for budget in concerned
            if (amount := _amount(usage, budget))
        ]
    return entries


def _spent(event: Event) -> tuple[Usage, str, str] | None:
    """Return what an event says was used, and what used it: an answer, or one broken off."""
    data = event.data
    if event.type == EventType.MESSAGE_CREATED:
        used, ref_type, ref_id = data.get("usage"), "message", data["message"]["id"]
    else:
        unfinished: dict[str, Any] = data.get("unfinished") or {}
        used, ref_type, ref_id = unfinished.get("usage"), "turn", data["turn_id"]
    return (Usage.model_validate(used), ref_type, ref_id) if used else None


def _amount(usage: Usage, budget: Budget) -> float:
    if budget.currency == "tokens":
        return float(usage.input_tokens + usage.output_tokens)
    # As many places as are stored.
    return round(usage.estimated_cost_usd or 0.0, 12)


def _entry_id(budget: Budget, event: Event) -> str:
    place = f"{budget.id} {event.session_id} {event.sequence}"
    return f"ledger_{blake2s(place.encode(), digest_size=16).hexdigest()}"
