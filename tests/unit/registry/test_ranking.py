"""A ranking: the lowest rank is found, whatever has been changed before."""

from hypothesis import given
from hypothesis import strategies as st

from everruns.registry.ranking import MIN_HEAP, Ranking

names = st.sampled_from("abcd")
changes = st.lists(st.tuples(names, st.none() | st.integers(0, 3)), max_size=60)


@given(changes=changes)
def test_the_lowest_is_that_of_the_ranks_as_they_are_now(
    changes: list[tuple[str, int | None]],
):
    ranking, ranks = Ranking[int](), dict[str, int]()
    for name, rank in changes:
        if rank is None:
            ranking.remove(name)
            ranks.pop(name, None)
        else:
            ranking.put(name, rank)
            ranks[name] = rank
        lowest = ranking.lowest
        assert set(ranking) == ranks.keys()
        assert len(ranking) == len(ranks)
        assert (lowest and lowest.rank) == min(ranks.values(), default=None)
        assert lowest is None or ranks[lowest.name] == lowest.rank


def test_what_is_out_of_date_takes_a_bounded_place_although_nobody_asks_for_the_lowest():
    ranking = Ranking[int]()
    for change in range(10_000):
        ranking.put("a", change)
    assert len(ranking._heap) <= MIN_HEAP
    assert ranking.lowest == (9_999, "a")
