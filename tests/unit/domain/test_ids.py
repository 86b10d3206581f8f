"""Ids and times."""

import re
import uuid
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.ids import (
    MAX_POSITION,
    EventPlace,
    event_id,
    format_time,
    is_id,
    made_ms,
    new_id,
    now_ms,
    parse_time,
    read_event_id,
)

SESSION = "session_01a2254a27767249ad2267cc09c62ed1"
MS = st.integers(0, 2**45)
PLACES = st.tuples(MS, st.integers(0, 2**31), st.integers(0, 2**20 - 1))


@given(first=PLACES, second=PLACES)
def test_event_ids_sort_by_time_then_sequence_then_position(first, second):
    assert (event_id(SESSION, *first) < event_id(SESSION, *second)) == (first < second)


@given(place=PLACES)
def test_an_event_id_tells_its_time_its_sequence_and_its_position(place):
    assert read_event_id(SESSION, event_id(SESSION, *place)) == EventPlace(*place)


@given(position=st.integers(2**20, 2**30))
def test_positions_beyond_the_ids_bits_stay_those_of_a_delta(position: int):
    assert read_event_id(SESSION, event_id(SESSION, 1, 7, position)) == EventPlace(
        1, 7, MAX_POSITION
    )


@given(place=PLACES)
def test_event_ids_are_uuids_of_version_7(place):
    parsed = uuid.UUID(event_id(SESSION, *place).removeprefix("event_"))
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)


def test_an_id_of_another_sessions_event_is_no_cursor():
    foreign = [event_id(new_id("session"), now_ms(), number) for number in range(200)]
    assert sum(read_event_id(SESSION, identity) is not None for identity in foreign) <= 1


@pytest.mark.parametrize(
    "text", ["", "event_", "event_xyz", SESSION, "7", "event_" + "f" * 33, "event_" + "F" * 32]
)
def test_what_is_no_event_id_is_no_cursor(text: str):
    assert read_event_id(SESSION, text) is None


def test_new_ids_are_unique_and_have_their_form():
    made = {new_id("agent") for _ in range(1000)}
    assert len(made) == 1000
    assert all(re.fullmatch(r"agent_[0-9a-f]{32}", identity) for identity in made)


def test_an_id_tells_when_it_was_made():
    before = now_ms()
    assert before <= made_ms(new_id("message")) <= now_ms()


def test_an_id_has_the_form_of_its_own_kind_only():
    assert is_id(new_id("agent"), "agent")
    assert not is_id(new_id("agent"), "session")
    assert not is_id(new_id("agent") + "\n", "agent")


@given(ms=st.integers(0, 4_000_000_000_000))
def test_a_standard_reader_reads_a_time_as_it_was_meant(ms: int):
    moment = datetime.fromisoformat(format_time(ms))

    assert round(moment.timestamp() * 1000) == ms


def test_a_time_is_rfc_3339_in_utc_with_milliseconds():
    assert format_time(1_769_853_600_007) == "2026-01-31T10:00:00.007Z"
    assert parse_time("2026-01-31T10:00:00.007Z") == 1_769_853_600_007
