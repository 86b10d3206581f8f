"""Which readers are too slow, and what is sent to them at once."""

from hypothesis import given
from hypothesis import strategies as st

from everruns.api.http.progress import LEAST_BYTES_PER_S, SLICE_BYTES, WINDOW_S, Progress, slices


def test_a_reader_that_takes_little_is_kept_until_a_minute_has_been_waited_for_it():
    progress = Progress()
    assert progress.keeps_up(10, WINDOW_S - 1)
    assert not progress.keeps_up(10, 1)


def test_a_reader_at_the_floor_is_kept():
    progress = Progress()
    for _ in range(10):
        assert progress.keeps_up(round(LEAST_BYTES_PER_S * WINDOW_S / 2), WINDOW_S / 2)


def test_a_reader_that_takes_everything_at_once_is_kept_however_little_there_is():
    progress = Progress()
    assert all(progress.keeps_up(1, 0) for _ in range(1000))


def test_what_was_taken_in_one_minute_does_not_count_in_the_next():
    progress = Progress()
    assert progress.keeps_up(10**9, WINDOW_S)
    assert not progress.keeps_up(10, WINDOW_S)


SIZES = st.lists(st.integers(0, 3 * SLICE_BYTES), max_size=8)


@given(sizes=SIZES)
def test_slices_are_bounded_and_come_to_the_frames(sizes: list[int]):
    frames = [bytes([number]) * size for number, size in enumerate(sizes)]
    parts = list(slices(frames))
    assert b"".join(parts) == b"".join(frames)
    assert all(0 < len(part) <= SLICE_BYTES for part in parts)
