"""What is left of a budget, and what that means for the next model call."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from everruns.domain.budgets import (
    Budget,
    BudgetInput,
    LedgerEntry,
    Standing,
    check,
    exact,
    total,
)
from everruns.domain.charges import charges
from everruns.domain.events import Event, EventType, NewEvent

SESSION, AGENT = f"session_{1:032x}", f"agent_{1:032x}"
TIME = "2026-01-01T00:00:00.000Z"
NOW_MS = 1_800_000_000_000

amounts = st.floats(0, 1e6).map(lambda amount: round(amount, 12))
statuses = st.sampled_from(["active", "paused", "disabled"])


def budget(number: int = 1, subject_id: str = SESSION, **fields: object) -> Budget:
    defaults = {
        "id": f"budget_{number}",
        "subject_type": subject_id.partition("_")[0],
        "subject_id": subject_id,
        "currency": "tokens",
        "limit": 10,
        "organization_id": "o",
        "created_at": TIME,
        "updated_at": TIME,
    }
    return Budget.model_validate(defaults | fields)


def standing(spent: float = 0, **fields: object) -> Standing:
    return Standing(budget(**fields), exact(spent), NOW_MS)


def answer(place: int, usage: dict | None, session_id: str = SESSION) -> Event:
    data = {"message": {"id": f"message_{place}"}, **({"usage": usage} if usage else {})}
    return NewEvent(EventType.MESSAGE_CREATED, data, {}).at(session_id, place, place)


def entry(amount: float) -> LedgerEntry:
    return LedgerEntry(id="l", budget_id="b", amount=amount, meter_source="top_up", created_at=TIME)


@pytest.mark.parametrize(
    ("spent", "fields", "action", "status"),
    [
        (0, {}, "continue", "active"),
        (8, {"soft_limit": 8}, "continue", "active"),
        (8.5, {"soft_limit": 8}, "warn", "active"),
        (9, {"soft_limit": 8, "status": "paused"}, "pause", "paused"),
        (10, {"soft_limit": 8}, "stop", "exhausted"),
        (11, {"status": "paused"}, "stop", "exhausted"),
        (11, {"status": "disabled"}, "continue", "disabled"),
        (0, {"limit": 0}, "stop", "exhausted"),
        (-5, {"limit": 0}, "continue", "active"),
    ],
)
def test_a_budget_says_what_may_come_next(spent, fields, action, status):
    stands = standing(spent, **fields)

    assert (stands.check.action, stands.shown.status) == (action, status)
    assert stands.shown.balance == stands.check.balance == fields.get("limit", 10) - spent


def test_whoever_is_stopped_learns_by_which_budget():
    said = standing(12, number=7).check

    assert (said.error_code, said.budget_id, said.balance) == ("budget_exhausted", "budget_7", -2)
    assert "budget_7" in (said.message or "")
    assert said.error_fields == {
        "budget_id": "budget_7",
        "balance": -2,
        "limit": 10,
        "currency": "tokens",
    }
    assert standing(status="paused").check.error_code == "budget_paused"


def test_without_budgets_all_goes_on():
    assert check([]).wire() == {"action": "continue"}
    assert check([standing(99, status="disabled")]).wire() == {"action": "continue"}


@given(st.lists(st.tuples(amounts, amounts, amounts, statuses), min_size=1, max_size=5))
def test_the_strictest_budget_speaks(drawn):
    standings = [
        standing(spent, number=number, limit=limit, soft_limit=soft, status=status)
        for number, (spent, limit, soft, status) in enumerate(drawn)
    ]

    order = ("continue", "warn", "pause", "stop")
    strictest = max(order.index(each.check.action) for each in standings)
    assert check(standings).action == order[strictest]
    assert check(standings).action == check(reversed(standings)).action


@given(st.lists(amounts | amounts.map(lambda amount: -amount)), st.randoms())
def test_sums_do_not_depend_on_the_order(drawn, random):
    shuffled = list(drawn)
    random.shuffle(shuffled)

    assert total(map(entry, drawn)) == total(map(entry, shuffled))


def test_ten_times_a_tenth_is_one():
    assert total([entry(0.1)] * 10) == Decimal(1)


def test_answers_are_charged_to_those_they_concern():
    other = f"session_{2:032x}"
    events = [
        answer(1, {"input_tokens": 3, "output_tokens": 4, "estimated_cost_usd": 0.25}),
        answer(2, None),
        answer(3, {"output_tokens": 5}),
        answer(1, {"output_tokens": 100}, other),
    ]
    own, dollars = budget(1), budget(2, AGENT, currency="usd")

    charged = charges(events, [own, dollars], {SESSION: AGENT, other: None})

    assert [(each.budget_id, each.amount, each.ref_id) for each in charged] == [
        ("budget_1", 7, "message_1"),
        ("budget_2", 0.25, "message_1"),
        ("budget_1", 5, "message_3"),
    ]


@pytest.mark.parametrize("ending", [EventType.SESSION_FAILED, EventType.SESSION_CANCELLED])
def test_calls_that_were_broken_off_are_charged_with_the_end_of_their_turn(ending):
    data = {"turn_id": "turn_1", "unfinished": {"usage": {"input_tokens": 7}}}
    events = [
        NewEvent(ending, data, {}).at(SESSION, 1, 1),
        NewEvent(ending, {"turn_id": "turn_2"}, {}).at(SESSION, 2, 2),
    ]

    [charged] = charges(events, [budget()], {})

    assert (charged.amount, charged.ref_type, charged.ref_id) == (7, "turn", "turn_1")


@given(st.lists(st.integers(1, 30), max_size=40))
def test_recording_answers_again_changes_nothing(places):
    recorded = {
        charged.id: charged
        for place in places
        for charged in charges([answer(place, {"output_tokens": place})], [budget()], {})
    }

    assert total(recorded.values()) == sum(set(places))


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject_type": "user"},
        {"currency": "credits"},
        {"limit": -1},
        {"limit": "10"},
        {"limit": True},
        {"limit": 1e13},
        {"subject_id": "me"},
        {"period": {"type": "rolling", "window": "5h"}},
    ],
)
def test_what_is_not_offered_is_refused(wrong):
    fine = {"subject_type": "session", "subject_id": SESSION, "currency": "USD", "limit": 1}
    assert BudgetInput.model_validate(fine).currency == "usd"

    with pytest.raises(ValidationError):
        BudgetInput.model_validate(fine | wrong)
