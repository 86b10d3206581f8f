"""Charges: what events cost the budgets that apply.

The id of an answer's entry is derived from the budget and the answer's position in its log, so
recording it twice charges it once.

Source: docs/contract.md, "Budget".
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2s
from typing import Any

from everruns.domain.budgets import Budget, LedgerEntry
from everruns.domain.events import Event, EventType
from everruns.domain.usage import Usage
from everruns.ids import format_time

CHARGED_EVENTS = frozenset(
    {
        EventType.MESSAGE_CREATED,
        EventType.CONTEXT_COMPACTED,
        EventType.SESSION_FAILED,
        EventType.SESSION_CANCELLED,
    }
)
"""Events that report the usage of a model call, one call each."""


def charges(
    events: Iterable[Event], budgets: Sequence[Budget], agents: Mapping[str, str | None]
) -> list[LedgerEntry]:
    """Return the ledger entries of events for the budgets that apply; free events have none.

    Args:
        events: Of any sessions.
        budgets: The active budgets that may apply.
        agents: The agent of each session.
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
    """Return an event's usage and its source: an answer, a summary, or an interrupted call."""
    data = event.data
    if event.type == EventType.MESSAGE_CREATED:
        used, ref_type, ref_id = data.get("usage"), "message", data["message"]["id"]
    elif event.type == EventType.CONTEXT_COMPACTED:
        used, ref_type, ref_id = data.get("usage"), "compaction", event.id
    else:
        unfinished: dict[str, Any] = data.get("unfinished") or {}
        used, ref_type, ref_id = unfinished.get("usage"), "turn", data["turn_id"]
    return (Usage.model_validate(used), ref_type, ref_id) if used else None


def _amount(usage: Usage, budget: Budget) -> float:
    if budget.currency == "tokens":
        return float(usage.input_tokens + usage.output_tokens)
    # Rounded to the decimal places that are stored.
    return round(usage.estimated_cost_usd or 0.0, 12)


def _entry_id(budget: Budget, event: Event) -> str:
    place = f"{budget.id} {event.session_id} {event.sequence}"
    return f"ledger_{blake2s(place.encode(), digest_size=16).hexdigest()}"
