"""Times in options mean the same in every command."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from everruns.commands.times import time_of
from everruns.errors import InvalidRequest
from everruns.ids import now_ms, parse_time

NOW = parse_time("2026-11-30T10:00:00.000Z")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("90s", "2026-11-30T09:58:30.000Z"),
        ("10m", "2026-11-30T09:50:00.000Z"),
        ("2h", "2026-11-30T08:00:00.000Z"),
        ("1d", "2026-11-29T10:00:00.000Z"),
        ("2026-11-30", "2026-11-30T00:00:00.000Z"),
        ("2026-11-30T09:00", "2026-11-30T09:00:00.000Z"),
        ("2026-11-30T09:00:00.25Z", "2026-11-30T09:00:00.250Z"),
        ("2026-11-30T09:00+02:00", "2026-11-30T07:00:00.000Z"),
    ],
)
def test_a_time_is_how_long_ago_or_when(given: str, expected: str):
    assert time_of("--since", given, NOW) == parse_time(expected)


def test_how_long_ago_counts_from_now():
    assert abs(now_ms() - 600_000 - time_of("--since", "10m")) < 5_000


@pytest.mark.parametrize("given", ["999999d", "1969-12-31", "0001-01-02T00:00"])
def test_what_is_before_all_sessions_is_their_beginning(given: str):
    assert time_of("--since", given, NOW) == 0


@pytest.mark.parametrize(
    "given", ["", "soon", "10", "10x", "m", "-5m", "9999999d", "0001-01-01T00:00+10:00"]
)
def test_anything_else_is_refused_with_the_option(given: str):
    with pytest.raises(InvalidRequest, match="--until"):
        time_of("--until", given, NOW)


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine with another time zone."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_tokyo")
def test_a_time_without_a_zone_is_utc_wherever_the_command_runs():
    expected = datetime(2026, 1, 31, 10, tzinfo=UTC).timestamp() * 1000
    assert time_of("--since", "2026-01-31T10:00") == expected
