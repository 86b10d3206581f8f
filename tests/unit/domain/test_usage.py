"""What is booked of the counts that providers report."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.domain.usage import MAX_CALL_TOKENS, read_token_count
from everruns.providers.openai_usage import read_usage

NO_COUNTS = (
    st.integers(max_value=-1)
    | st.integers(min_value=MAX_CALL_TOKENS + 1)
    | st.booleans()
    | st.floats().filter(lambda value: value != value // 1)
    | st.text().filter(lambda text: not text.isdecimal())
    | st.none()
    | st.lists(st.integers(), max_size=2)
)


@given(count=st.integers(0, MAX_CALL_TOKENS))
def test_a_whole_number_in_range_is_a_count(count):
    assert read_token_count(count) == count


@pytest.mark.parametrize("value", [12.0, "12"])
def test_a_count_may_be_written_otherwise(value):
    assert read_token_count(value) == 12


@given(value=NO_COUNTS)
def test_anything_else_is_not_known(value):
    assert read_token_count(value) is None


@given(first=NO_COUNTS, second=NO_COUNTS)
def test_what_is_not_known_costs_nothing(first, second):
    reported = {
        "prompt_tokens": first,
        "completion_tokens": second,
        "prompt_tokens_details": {"cached_tokens": first, "cache_write_tokens": second},
    }

    assert read_usage({"usage": reported}) is None
