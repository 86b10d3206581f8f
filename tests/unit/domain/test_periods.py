"""When a budget's period begins and ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.domain.budgets import Budget, Standing, exact
from everruns.domain.periods import Period
from everruns.ids import format_time, parse_time

moments = st.integers(0, parse_time("2100-01-01T00:00:00.000Z"))
units = st.sampled_from(["day", "week", "month"])


@pytest.mark.parametrize(
    ("unit", "now", "start", "end"),
    [
        ("day", "2026-03-29T23:59:59.999Z", "2026-03-29", "2026-03-30"),
        ("week", "2026-03-01T00:00:00.000Z", "2026-02-23", "2026-03-02"),
        ("week", "2026-03-02T00:00:00.000Z", "2026-03-02", "2026-03-09"),
        ("month", "2026-01-31T23:59:59.999Z", "2026-01-01", "2026-02-01"),
        ("month", "2028-02-29T12:00:00.000Z", "2028-02-01", "2028-03-01"),
        ("month", "2026-12-31T23:59:59.999Z", "2026-12-01", "2027-01-01"),
    ],
)
def test_periods_are_those_of_the_calendar_in_utc(unit: str, now: str, start: str, end: str):
    bounds = Period(unit=unit).bounds_ms(parse_time(now))
    assert [format_time(ms)[:10] for ms in bounds] == [start, end]
    assert all(format_time(ms).endswith("T00:00:00.000Z") for ms in bounds)


@given(unit=units, now=moments)
def test_every_moment_is_in_exactly_one_period(unit: str, now: int):
    period = Period(unit=unit)
    start, end = period.bounds_ms(now)
    assert start <= now < end
    assert period.bounds_ms(start) == period.bounds_ms(end - 1) == (start, end)
    assert period.bounds_ms(start - 1)[1] == start
    assert period.bounds_ms(end)[0] == end


def test_an_exhausted_budget_says_when_it_renews():
    budget = Budget(
        id="budget_1",
        subject_type="agent",
        subject_id="agent_1",
        currency="usd",
        limit=5,
        period=Period(unit="month"),
        organization_id="o",
        created_at="2026-01-01T00:00:00.000Z",
        updated_at="2026-01-01T00:00:00.000Z",
    )
    standing = Standing(budget, exact(5), parse_time("2026-01-31T10:00:00.000Z"))

    assert standing.shown.period_started_at == "2026-01-01T00:00:00.000Z"
    assert standing.shown.renews_at == "2026-02-01T00:00:00.000Z"
    assert "It renews at 2026-02-01T00:00:00.000Z." in (standing.check.message or "")
    assert (standing.check.error_fields or {})["renews_at"] == "2026-02-01T00:00:00.000Z"
