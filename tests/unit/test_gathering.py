"""What happens often is handled a moment later, together with what came meanwhile."""

from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from everruns import gathering
from everruns.gathering import Gathering
from everruns.log import current_ids, working_on
from tests.waiting import eventually


class Taken:
    """Keeps what it is handed, and the ids of the work that it is handed in."""

    def __init__(self) -> None:
        self.batches: list[Sequence[str]] = []
        self.ids: list[dict[str, str]] = []

    def __call__(self, items: Sequence[str]) -> None:
        self.batches.append(items)
        self.ids.append(dict(current_ids()))


async def test_items_of_a_moment_are_handed_over_together_and_in_order():
    taken = Taken()
    gathered = Gathering[str](taken)
    for item in ("one", "two", "three"):
        gathered.add(item)
    assert taken.batches == []
    await eventually(lambda: taken.batches)
    gathered.add("four")
    await eventually(lambda: len(taken.batches) > 1)
    assert taken.batches == [["one", "two", "three"], ["four"]]


async def test_no_more_than_so_many_items_are_gathered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gathering, "MAX_GATHERED", 2)
    taken = Taken()
    gathered = Gathering[str](taken)
    for item in ("one", "two", "three"):
        gathered.add(item)
    assert taken.batches == [["one", "two"]]


async def test_what_is_settled_is_handed_over_now_and_once():
    taken = Taken()
    gathered = Gathering[str](taken)
    gathered.add("one")
    gathered.settle()
    gathered.settle()
    assert taken.batches == [["one"]]


async def test_items_are_handled_without_the_ids_of_the_work_that_brought_the_first():
    taken = Taken()
    gathered = Gathering[str](taken)
    with working_on({"turn_id": "t1"}):
        gathered.add("one")
        gathered.settle()
        gathered.add("two")
    await eventually(lambda: len(taken.batches) > 1)
    assert taken.ids == [{}, {}]


async def test_what_cannot_be_handled_concerns_neither_who_adds_nor_what_comes_later():
    taken = list[Sequence[str]]()

    def take(items: Sequence[str]) -> None:
        taken.append(items)
        if len(taken) == 1:
            raise ValueError("no")

    gathered = Gathering[str](take)
    with capture_logs() as lines:
        gathered.add("one")
        gathered.settle()
        gathered.add("two")
        gathered.settle()
    assert taken == [["one"], ["two"]]
    assert [line["event"] for line in lines] == ["gathered items not handled"]
