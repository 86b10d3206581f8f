"""What every store does with budgets and the ledger."""

from decimal import Decimal

from everruns.domain.budgets import LedgerEntry
from everruns.domain.events import EventType, NewEvent
from everruns.storage.budgets import BudgetQuery
from everruns.storage.store import Store
from tests.stored import answer, append, budget, session, time


def test_budgets_in_force_are_listed_newest_first_by_subject(store: Store) -> None:
    one, other = session(1), session(2)
    store.sessions.insert(one)
    first, second = budget(1, "agent_1"), budget(2, one.id, metadata={"a": [1.5]})
    for stored in (first, second, budget(3, "agent_1", status="disabled")):
        store.budgets.put(stored)

    assert store.budgets.list(BudgetQuery()) == ([second, first], 2)
    assert store.budgets.list(BudgetQuery(limit=1)) == ([second], 2)
    assert store.budgets.list(BudgetQuery(offset=1)) == ([first], 2)
    assert store.budgets.list(BudgetQuery(offset=2)) == ([], 2)
    assert store.budgets.list(BudgetQuery(subject_type="agent")) == ([first], 1)
    assert store.budgets.list(BudgetQuery(subject_id=one.id)) == ([second], 1)
    assert store.budgets.list(BudgetQuery(subject_type="agent", subject_id=one.id)) == ([], 0)
    assert store.budgets.list_of([one.id, other.id]) == [second]
    assert store.budgets.list_of(["agent_1", one.id]) == [second, first]
    assert store.budgets.find("budget_3") == budget(3, "agent_1", status="disabled")
    assert store.budgets.find("budget_4") is None
    subjects = ("agent_1", one.id, other.id, None)
    assert [store.budgets.is_budgeted(subject) for subject in subjects] == [
        True,
        True,
        False,
        False,
    ]


def test_a_subject_is_budgeted_until_its_last_budget_is_disabled(store: Store) -> None:
    told: list[bool] = []
    for number, status in ((1, "active"), (2, "paused"), (1, "disabled"), (2, "disabled")):
        store.budgets.put(budget(number, "agent_1", status=status))
        told.append(store.budgets.is_budgeted("agent_1"))

    assert told == [True, True, True, False]


def test_an_answer_is_charged_to_its_session_and_its_agent(store: Store) -> None:
    for number in (1, 2):
        store.sessions.insert(session(number))
    store.budgets.put(budget(1, "agent_1"))
    store.budgets.put(budget(2, session(1).id, currency="usd"))

    store.logs.append([answer(1, 1, 30, 0.1), answer(2, 1, 5, 0.3)])
    store.logs.append([answer(1, 2, 10, 0.2), answer(1, 3, 0)])

    totals = store.ledger.totals(["budget_1", "budget_2", "budget_3"])
    assert totals == {"budget_1": 45, "budget_2": Decimal("0.3")}
    (newest, oldest), _ = store.ledger.list("budget_2", 0, 10)
    since = {"budget_2": newest.created_at}
    assert store.ledger.totals(["budget_1", "budget_2"], since) == {
        "budget_1": 45,
        "budget_2": Decimal("0.2"),
    }
    assert store.ledger.totals(["budget_2"], {"budget_2": time(10**9)}) == {}
    assert (newest.amount, newest.ref_id, newest.session_id) == (0.2, "message_2", session(1).id)
    assert store.ledger.list("budget_2", 1, 10) == ([oldest], 2)


def test_a_call_that_was_broken_off_is_charged_once(store: Store) -> None:
    store.sessions.insert(session(1))
    store.budgets.put(budget(1, "agent_1"))
    data = {"turn_id": "turn_1", "unfinished": {"usage": {"input_tokens": 9}}}
    ended = NewEvent(EventType.SESSION_CANCELLED, data, {}).at(session(1).id, 1, 1_800_000_000_000)

    for _ in range(2):
        assert store.logs.append([append(1, [ended])]) == [None]

    assert store.ledger.totals(["budget_1"]) == {"budget_1": 9}


def test_an_answer_stored_twice_is_charged_once(store: Store) -> None:
    store.sessions.insert(session(1))
    store.budgets.put(budget(1, "agent_1"))

    for _ in range(3):
        assert store.logs.append([answer(1, 1, 7), answer(1, 1, 7)]) == [None, None]
    assert store.logs.append([answer(1, 1, 8)]) != [None]

    assert store.ledger.totals(["budget_1"]) == {"budget_1": 7}


def test_a_budget_is_charged_for_what_comes_while_it_is_in_force(store: Store) -> None:
    store.sessions.insert(session(1))
    store.logs.append([answer(1, 1, 1)])
    store.budgets.put(budget(1, "agent_1"))
    store.logs.append([answer(1, 2, 2)])
    store.budgets.put(budget(1, "agent_1", status="disabled"))
    store.logs.append([answer(1, 3, 4)])
    store.budgets.put(budget(1, "agent_1", status="paused"))
    store.logs.append([answer(1, 4, 8)])

    assert store.ledger.totals(["budget_1"]) == {"budget_1": 10}


def test_an_entry_is_kept_as_it_was_put_first(store: Store) -> None:
    entry = LedgerEntry(
        id="ledger_1",
        budget_id="budget_1",
        amount=-0.1,
        meter_source="top_up",
        description="Ä☃",
        created_at=time(1),
    )
    store.budgets.put(budget(1, "agent_1"))
    store.ledger.put(entry)
    store.ledger.put(entry.model_copy(update={"amount": -5}))

    assert store.ledger.list("budget_1", 0, 10) == ([entry], 1)
    assert store.ledger.totals(["budget_1"]) == {"budget_1": Decimal("-0.1")}


def test_a_deleted_session_takes_its_budgets_along_and_leaves_what_it_cost(store: Store) -> None:
    store.sessions.insert(session(1))
    for number, subject_id in ((1, "agent_1"), (2, session(1).id)):
        store.budgets.put(budget(number, subject_id))
    store.logs.append([answer(1, 1, 7)])
    store.sessions.delete(session(1).id)

    assert store.ledger.totals(["budget_1", "budget_2"]) == {"budget_1": 7}
    assert store.budgets.find("budget_2") is None
    assert not store.budgets.is_budgeted(session(1).id)
