"""What happens often is handled a moment later, together with what came meanwhile."""

from collections.abc import Sequence

import pytest

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
