"""For how long deltas gather: as short as it may be, and longer where delivering costs much."""

import pytest

from everruns.runtime.feed.pace import LONGEST_PACE_S, SHARE, USUAL_PACE_S, Pace


def delivering(seconds_a_round: float, rounds: int = 100) -> Pace:
    """The pace of a process that spends so long on each round of deltas."""
    now = 0.0
    pace = Pace(now)
    for _ in range(rounds):
        now += max(pace.interval_s, USUAL_PACE_S)
        pace.spend(seconds_a_round, now)
    return pace


def test_a_process_with_little_to_deliver_leaves_the_pace_to_the_host():
    assert delivering(USUAL_PACE_S * SHARE / 2).interval_s == 0


def test_a_process_with_much_to_deliver_spends_a_share_of_its_time_on_it():
    assert delivering(0.02).interval_s == pytest.approx(0.02 / SHARE, rel=0.2)


def test_there_is_a_longest_pace_whatever_delivering_costs():
    assert delivering(10.0).interval_s == LONGEST_PACE_S


def test_one_slow_round_after_a_long_rest_changes_nothing():
    pace = Pace(0.0)
    pace.spend(0.1, 60.0)
    assert pace.interval_s == 0


def test_the_pace_is_short_again_when_there_is_little_to_deliver():
    pace = delivering(0.02)
    pace.spend(0.0, 1000.0)
    assert pace.interval_s == 0
