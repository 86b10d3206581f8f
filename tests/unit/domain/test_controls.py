"""Options for answers: whose value counts, and that none vanishes without a word."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from everruns.domain.agents import AgentInput, AgentPatch
from everruns.domain.controls import NO_CONTROLS, AnswerControls, Controls, effective_controls
from everruns.domain.messages import Message, SendMessage
from everruns.domain.problems import problems_of
from everruns.domain.sessions import SessionInput

OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "reasoning": st.none()
        | st.fixed_dictionaries({"effort": st.sampled_from(["low", "high"])}),
        "temperature": st.none() | st.floats(0, 2),
        "top_p": st.none() | st.floats(0.01, 1),
        "max_output_tokens": st.none() | st.integers(1, 1000),
        "stop": st.none() | st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=4),
        "seed": st.none() | st.integers(0, 9),
    },
)
SETTINGS = st.none() | OPTIONS.map(AnswerControls.model_validate)


@given(st.lists(SETTINGS, max_size=4))
def test_each_option_has_its_first_value(settings: list[AnswerControls | None]):
    effective = effective_controls(*settings)

    for name in AnswerControls.model_fields:
        values = [getattr(options, name) for options in settings if options]
        given_values = [value for value in values if value is not None]
        assert getattr(effective, name) == next(iter(given_values), None)


def test_the_model_of_a_message_is_no_option_for_answers():
    assert effective_controls(Controls(model_id="work/gpt-5")) == NO_CONTROLS


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        ({"max_tokens": 9}, "max_output_tokens"),
        ({"max_completion_tokens": 9}, "max_output_tokens"),
        ({"stop_sequences": ["x"]}, "stop"),
        ({"reasoning_effort": "low"}, "reasoning"),
        ({"temprature": 1}, "temperature"),
        ({"temperature": 1, "topP": 1}, "top_p"),
        ({"reasoning": {"efort": "low"}}, "effort"),
    ],
)
@pytest.mark.parametrize("kind", [AgentInput, AgentPatch, SessionInput, SendMessage])
def test_an_unknown_option_is_refused_and_the_nearest_one_named(
    kind: Any, options: dict[str, Any], meant: str
):
    with pytest.raises(ValidationError) as refused:
        kind.model_validate({"name": "a", "content": "hi", "controls": options})

    ((field, words),) = problems_of(refused.value, kind)
    assert field.startswith("controls.")
    assert f"Did you mean '{meant}'" in words


def test_an_option_that_is_like_none_is_refused_with_the_list_of_all():
    with pytest.raises(ValidationError) as refused:
        SendMessage.model_validate({"content": "hi", "controls": {"zzz": 1}})

    assert list(problems_of(refused.value, SendMessage)) == [
        (
            "controls.zzz",
            (
                "unknown field. Known fields: max_output_tokens, model_id, output_schema, "
                "reasoning, seed, stop, temperature, top_p"
            ),
        )
    ]


def test_fields_that_the_sdk_sends_and_that_mean_nothing_here_are_accepted():
    options = {"hints": {"x": 1}, "locale": "uk", "error_disclosure": None, "model_id": "a/b"}

    sent = SendMessage.model_validate({"content": "hi", "controls": options})

    assert sent.controls == Controls(model_id="a/b")


def test_stored_options_of_other_versions_are_read():
    stored = {"id": "m", "session_id": "s", "role": "user", "content": [], "created_at": "now"}

    message = Message.model_validate({**stored, "controls": {"seed": 7, "later": True}})

    assert message.controls == Controls(seed=7)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": -0.1},
        {"temperature": 2.1},
        {"temperature": "0.5"},
        {"top_p": 0},
        {"top_p": 1.1},
        {"max_output_tokens": 0},
        {"max_output_tokens": True},
        {"stop": []},
        {"stop": [""]},
        {"stop": ["x"] * 17},
        {"stop": "END"},
        {"seed": -1},
        {"seed": 2**31},
        {"seed": 1.5},
        {"reasoning": "low"},
        7,
    ],
)
def test_options_have_limits(options: Any):
    with pytest.raises(ValidationError):
        SendMessage.model_validate({"content": "hi", "controls": options})
