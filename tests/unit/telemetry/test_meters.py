"""Meters: what a process measures, until somebody takes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.telemetry.meters import MAX_OBSERVATIONS, MAX_SERIES, OTHER, Meters
from everruns.telemetry.metrics import METRICS, TOOL_CALLS, TURN_DURATION, TURNS_OPEN, TURNS_STARTED


def test_a_counter_adds_up_until_it_is_taken():
    meters = Meters()
    meters.add(TURNS_STARTED)
    meters.add(TURNS_STARTED, amount=2)

    assert meters.take().counts == {(TURNS_STARTED, ()): 3}
    assert meters.take().counts == {}


@pytest.mark.parametrize("amount", [0, -1])
def test_an_amount_that_is_not_positive_is_not_counted(amount: int):
    meters = Meters()
    meters.add(TURNS_STARTED, amount=amount)
    assert meters.take().counts == {}


def test_a_counter_can_be_shown_before_there_is_anything_to_count():
    meters = Meters()
    meters.begin(TURNS_STARTED)
    assert meters.take().counts == {(TURNS_STARTED, ()): 0}


def test_a_gauge_keeps_its_value():
    meters = Meters()
    meters.set(TURNS_OPEN, 3)
    meters.take()
    assert meters.take().gauges == {(TURNS_OPEN, ()): 3}


def test_a_histogram_gets_each_value_once():
    meters = Meters()
    meters.observe(TURN_DURATION, 0.5, "completed")
    meters.observe(TURN_DURATION, 1.5, "completed")

    assert meters.take().observations == {(TURN_DURATION, ("completed",)): [0.5, 1.5]}
    assert meters.take().observations == {}


def test_values_that_nobody_takes_are_bounded():
    meters = Meters()
    for _ in range(MAX_OBSERVATIONS + 1):
        meters.observe(TURN_DURATION, 1.0, "completed")
    assert len(meters.take().observations[TURN_DURATION, ("completed",)]) == MAX_OBSERVATIONS


@given(st.lists(st.text(max_size=5), max_size=3 * MAX_SERIES))
def test_however_many_labels_come_the_series_of_a_metric_are_bounded(labels: list[str]):
    meters = Meters()
    for label in labels:
        meters.add(TOOL_CALLS, label, "success")

    counts = meters.take().counts
    assert len(counts) <= MAX_SERIES + 1
    assert sum(counts.values()) == len(labels)


def test_what_there_is_no_room_for_is_measured_together():
    meters = Meters()
    for number in range(MAX_SERIES + 2):
        meters.add(TOOL_CALLS, f"tool_{number}", "success")
    assert meters.take().counts[TOOL_CALLS, (OTHER, OTHER)] == 2


def test_a_metric_is_measured_with_all_of_its_labels_and_no_others():
    with pytest.raises(ValueError, match="has the labels"):
        Meters().add(TOOL_CALLS, "add")


def test_every_metric_has_a_name_of_its_own_in_the_form_of_its_kind():
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.name.startswith("everruns_")
        assert (metric.kind == "counter") == metric.name.endswith("_total")
        assert (metric.kind == "histogram") == bool(metric.bounds)
        assert metric.meaning.endswith(".")
        assert list(metric.bounds) == sorted(metric.bounds)
