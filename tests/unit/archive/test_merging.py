"""Files are merged so that a day has few, and none is written again and again."""

from hypothesis import given
from hypothesis import strategies as st

from everruns.archive.manifest import Part
from everruns.archive.merging import FANOUT, FULL_ROWS, mergeable

TODAY, EARLIER = "2026-02-02", "2026-02-01"


def parts(day: str, *rows: int) -> list[Part]:
    return [Part(f"events/day={day}/{place}.parquet", count) for place, count in enumerate(rows)]


def merged(found: list[Part], today: str) -> list[Part]:
    """Merge until nothing is left to merge."""
    while groups := mergeable(found, today):
        group = groups[0]
        merged = Part(f"events/day={group[0].day}/m{len(found)}", sum(part.rows for part in group))
        found = [*(part for part in found if part not in group), merged]
    return found


def test_few_files_of_today_are_left_alone() -> None:
    assert mergeable(parts(TODAY, *[1] * (FANOUT - 1)), TODAY) == []


def test_files_of_one_size_are_merged() -> None:
    small, large = parts(TODAY, *[1] * FANOUT, 100_000)[:-1], parts(TODAY, *[1] * FANOUT, 100_000)
    assert mergeable(large, TODAY) == [small]


def test_a_day_that_is_over_gets_one_file() -> None:
    assert len(merged(parts(EARLIER, 5_000, 2_000, 30), TODAY)) == 1


def test_a_large_file_is_not_written_again_for_a_few_events() -> None:
    assert mergeable(parts(EARLIER, 400_000, 10), TODAY) == []


def test_full_files_stay() -> None:
    assert mergeable(parts(EARLIER, FULL_ROWS, FULL_ROWS), TODAY) == []


@given(st.lists(st.integers(1, 2_000), min_size=1, max_size=300))
def test_a_day_has_few_files_and_each_event_is_written_a_few_times(sizes: list[int]) -> None:
    found: list[Part] = []
    written = 0
    for place, size in enumerate(sizes):
        found.append(Part(f"events/day={TODAY}/{place}.parquet", size))
        before = {part.path for part in found}
        found = merged(found, TODAY)
        written += sum(part.rows for part in found if part.path not in before)
    assert sum(part.rows for part in found) == sum(sizes)
    assert len(found) < FANOUT * 4
    assert written <= 4 * sum(sizes)
