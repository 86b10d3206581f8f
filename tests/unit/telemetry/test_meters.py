"""Meters: what a process measures, until somebody takes it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.telemetry.meters import MAX_SERIES, OTHER, Distribution, Meters
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


def test_a_histogram_has_all_values_since_the_process_began():
    meters = Meters()
    meters.observe(TURN_DURATION, 0.5, "completed")
    meters.take()
    meters.observe(TURN_DURATION, 1.5, "completed")

    distribution = meters.take().distributions[TURN_DURATION, ("completed",)]
    assert (distribution.count, distribution.sum) == (2, 2.0)


@given(
    st.sets(st.floats(0, 100), min_size=1).map(lambda bounds: tuple(sorted(bounds))),
    st.lists(st.floats(-1, 200)),
)
def test_a_bucket_has_the_values_that_do_not_exceed_its_bound(
    bounds: tuple[float, ...], values: list[float]
):
    distribution = Distribution(bounds)
    for value in values:
        distribution.add(value)

    expected = [(bound, sum(value <= bound for value in values)) for bound in (*bounds, math.inf)]
    assert list(distribution.up_to()) == expected
    assert distribution.count == len(values)
    assert math.isclose(distribution.sum, sum(values), abs_tol=1e-6)


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
