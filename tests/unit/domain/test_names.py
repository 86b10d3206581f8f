"""Which known name was meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.domain.names import NAMES_ELSEWHERE, nearest_name, unknown_name

AGENT = ["agent_id", "default_model_id", "name", "system_prompt", "tags"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("agent", "agent_id"),
        ("agentId", "agent_id"),
        ("agent-id", "agent_id"),
        ("model", "default_model_id"),
        ("instructions", "system_prompt"),
        ("tag", "tags"),
        ("nmae", "name"),
        ("model_id", "default_model_id"),
        ("prompt", "system_prompt"),
        ("colour", None),
    ],
)
def test_a_name_means_the_nearest_known_one(name: str, meant: str | None):
    assert nearest_name(name, AGENT) == meant


@given(st.sampled_from(sorted(NAMES_ELSEWHERE)), st.sets(st.sampled_from(AGENT)))
def test_what_is_named_is_known(name: str, known: set[str]):
    near = nearest_name(name, known)

    assert near is None or near in known


@given(st.text(max_size=300), st.lists(st.text(max_size=10), max_size=100, unique=True))
def test_the_words_are_bounded(name: str, known: list[str]):
    assert len(unknown_name(known, name)) < 700


def test_where_nothing_is_known_no_list_is_shown():
    assert unknown_name([], "x", "setting") == "unknown setting. There are none here."
