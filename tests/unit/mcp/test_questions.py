"""Forms of servers as questions, and answers in the types that the forms want."""

from typing import Any

import pytest

from everruns.domain.questions import Answer
from everruns.mcp.failures import InputRequired, McpFailure
from everruns.mcp.questions import MAX_ROUNDS, answers_of, suspend
from everruns.tools.base import Resumption, Suspend


def form(required: list[str] | None = None, **properties: Any) -> InputRequired:
    schema = {"type": "object", "properties": properties, "required": required or []}
    params = {"mode": "form", "message": "Say.", "requestedSchema": schema}
    return InputRequired({"f": {"method": "elicitation/create", "params": params}}, "opaque")


def page(url: str) -> InputRequired:
    params = {"mode": "url", "message": "Sign in.", "url": url, "elicitationId": "1"}
    return InputRequired({"f": {"method": "elicitation/create", "params": params}}, "opaque")


def asked(required: InputRequired) -> Suspend:
    return suspend("shop", required, 0)


def answered(suspended: Suspend, **replies: str | list[str]) -> dict[str, Any]:
    """The content that goes back to the server."""
    answers = [
        {"id": f"f.{name}", "selected": reply}
        if isinstance(reply, list)
        else {"id": f"f.{name}", "selected": [], "other_text": reply}
        for name, reply in replies.items()
    ]
    return replied(suspended, *answers)["f"]["content"]


def replied(suspended: Suspend, *answers: Any) -> dict[str, Any]:
    """The responses that go back to the server."""
    given = {"status": "answered", "answers": list(answers)}
    responses, state, _ = answers_of("shop", Resumption(suspended.suspension.state, given))
    assert state == "opaque"
    assert responses is not None
    return responses


def numbers(**replies: str) -> list[Any]:
    return [{"id": f"{key}.x", "other_text": reply} for key, reply in replies.items()]


@pytest.mark.parametrize(
    ("schema", "labels", "reply", "value"),
    [
        ({"type": "boolean"}, ["Yes", "No"], ["No"], False),
        ({"type": "string", "enum": ["a", "b"]}, ["a", "b"], ["b"], "b"),
        (
            {"type": "string", "oneOf": [{"const": "a", "title": "Ann"}, {"const": "b"}]},
            ["Ann", "b"],
            ["Ann"],
            "a",
        ),
        (
            {"type": "array", "items": {"type": "string", "enum": ["a", "b", "c"]}},
            ["a", "b", "c"],
            ["a", "c"],
            ["a", "c"],
        ),
        (
            {"type": "array", "items": {"anyOf": [{"const": 1, "title": "one"}, {"const": 2}]}},
            ["one", "2"],
            ["one"],
            [1],
        ),
    ],
)
def test_choices_are_shown_by_their_titles_and_sent_as_values(
    schema: Any, labels: list[str], reply: list[str], value: Any
):
    suspended = asked(form(["x"], x=schema))
    (question,) = suspended.suspension.questions
    assert [option.label for option in question.options] == labels
    assert question.multi_select == (schema["type"] == "array")
    assert answered(suspended, x=reply) == {"x": value}


@pytest.mark.parametrize(
    ("schema", "reply", "value"),
    [
        ({"type": "string"}, "hi", "hi"),
        ({"type": "integer"}, "12", 12),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "string", "default": "x"}, "-", "x"),
    ],
)
def test_words_are_sent_in_the_type_of_the_form(schema: Any, reply: str, value: Any):
    assert answered(asked(form(["x"], x=schema)), x=reply) == {"x": value}


def test_what_is_optional_can_be_left_out():
    suspended = asked(form([], x={"type": "string"}, y={"type": "string", "enum": ["a", "b"]}))
    assert answered(suspended, x="-", y=["-"]) == {}


@pytest.mark.parametrize(
    ("schema", "reply", "problem"),
    [
        ({"type": "integer"}, "1.5", "A whole number is needed."),
        ({"type": "number"}, "nan", "A number is needed."),
        ({"type": "integer", "minimum": 1, "maximum": 3}, "9", "A number from 1 to 3 is needed."),
        ({"type": "string", "maxLength": 2}, "long", "A text of 0 to 2 characters is needed."),
        ({"type": "string"}, "-", "An answer is needed."),
    ],
)
def test_what_the_form_does_not_want_is_asked_for_again(schema: Any, reply: str, problem: str):
    with pytest.raises(Suspend) as again:
        answered(asked(form(["x"], x=schema)), x=reply)
    assert problem in again.value.suspension.questions[0].question


SIZES = {"type": "string", "enum": ["a", "b", "c"]}


@pytest.mark.parametrize(
    ("schema", "given"),
    [
        ({"type": "boolean"}, {"other_text": "yes"}),
        ({"type": "boolean"}, {"selected": ["Yes"], "other_text": "but not today"}),
        (SIZES, {"other_text": "the larger one"}),
        ({"type": "array", "items": SIZES}, {"other_text": "all of them"}),
        ({"type": "array", "items": SIZES}, {"selected": ["a"], "other_text": "and more"}),
    ],
)
def test_own_words_in_place_of_a_choice_are_asked_for_again(schema: Any, given: Any):
    suspended = asked(form(["x"], x=schema))
    with pytest.raises(Suspend) as again:
        replied(suspended, {"id": "f.x", "selected": [], **given})
    assert "Choose from the options." in again.value.suspension.questions[0].question


def test_a_choice_may_be_written():
    assert answered(asked(form(["x"], x={"type": "boolean"})), x="Yes") == {"x": True}
    assert answered(asked(form(["x"], x=SIZES)), x="b") == {"x": "b"}


def test_as_many_are_chosen_as_the_form_wants():
    schema = {"type": "array", "items": SIZES, "minItems": 2, "maxItems": 2}
    suspended = asked(form(["x"], x=schema))
    for chosen in (["a"], ["a", "b", "c"]):
        with pytest.raises(Suspend) as again:
            answered(suspended, x=chosen)
        question = again.value.suspension.questions[0].question
        assert "Choose 2 to 2 of the options." in question
    assert answered(suspended, x=["a", "c"]) == {"x": ["a", "c"]}


@pytest.mark.parametrize("required", [form(), page("https://x.example.com")])
def test_own_words_are_no_consent_and_no_refusal(required: InputRequired):
    with pytest.raises(Suspend) as again:
        replied(asked(required), {"id": "f.", "selected": [], "other_text": "sure"})
    assert "Choose from the options." in again.value.suspension.questions[0].question


def test_what_does_not_fit_after_the_last_round_is_cancelled_and_the_rest_is_sent():
    fits = form(["x"], x={"type": "integer"}).requests["f"]
    both = InputRequired({"f": fits, "g": fits}, "opaque")
    suspended = asked(both)
    for _ in range(MAX_ROUNDS - 1):
        with pytest.raises(Suspend) as again:
            replied(suspended, *numbers(f="one", g="2"))
        suspended = again.value
    assert replied(suspended, *numbers(f="one", g="2")) == {
        "f": {"action": "cancel"},
        "g": {"action": "accept", "content": {"x": 2}},
    }


def test_an_address_is_shown_whole_or_not_at_all():
    address = "https://x.example.com/?state=" + "s" * 5000
    (question,) = asked(page(address)).suspension.questions
    assert f"Open {address} and come back." in question.question
    with pytest.raises(McpFailure, match="an address of 9029 bytes; at most 8192"):
        asked(page(address + "s" * 4000))
    with pytest.raises(McpFailure, match="a form that cannot be read"):
        asked(page("https://x.example.com/ /"))


def test_a_server_that_only_wants_its_state_back_gets_it_after_a_moment():
    wanted = suspend("shop", InputRequired({}, "later"), 0).suspension
    assert (wanted.resume_after_seconds, wanted.questions) == (1, [])
    assert answers_of("shop", Resumption(wanted.state)) == (None, "later", 1)


def test_a_form_without_values_asks_for_consent():
    suspended = asked(form())
    assert [option.label for option in suspended.suspension.questions[0].options] == ["Yes", "No"]


def test_a_server_asks_a_bounded_number_of_times():
    with pytest.raises(McpFailure, match="has asked 10 times"):
        suspend("shop", form(["x"], x={"type": "string"}), MAX_ROUNDS)


def test_values_whose_names_begin_alike_are_asked_for_and_answered_apart():
    long = "a" * 70
    names = [f"{long}1", f"{long}2"]
    suspended = asked(form(names, **{name: {"type": "string"} for name in names}))
    ids = [question.id for question in suspended.suspension.questions]
    assert all(len(identity) <= 60 for identity in ids)
    answers = [{"id": ids[0], "other_text": "one"}, {"id": ids[1], "other_text": "two"}]
    given = {"status": "answered", "answers": answers}
    responses, _, _ = answers_of("shop", Resumption(suspended.suspension.state, given))
    assert responses["f"]["content"] == {names[0]: "one", names[1]: "two"}


def test_values_of_two_forms_whose_names_look_the_same_together_are_asked_for_apart():
    def with_value(name: str) -> dict[str, Any]:
        return dict(form([name], **{name: {"type": "string"}}).requests["f"])

    both = InputRequired({"a": with_value("b.c"), "a.b": with_value("c")}, None)
    ids = {question.id for question in asked(both).suspension.questions}
    assert len(ids) == 2


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "enum": ["", "a"]},
        {"type": "string", "enum": 7},
        {"type": "string", "oneOf": [{"title": "without a value"}]},
        {"type": "string", "oneOf": ["a"]},
        {"type": "array", "items": "strings"},
        "a string",
    ],
    ids=str,
)
def test_a_form_that_cannot_be_read_costs_its_call(schema: Any):
    with pytest.raises(McpFailure, match="asks with a form that cannot be read"):
        asked(form(["x"], x=schema))


def test_a_form_with_bounds_that_are_none_costs_its_call():
    suspended = asked(form(["x"], x={"type": "integer", "minimum": "one"}))
    with pytest.raises(McpFailure, match="asks with a form that cannot be read"):
        answered(suspended, x="3")


def test_a_form_that_cannot_be_stored_costs_its_call():
    with pytest.raises(McpFailure, match="asks with more than can be kept"):
        asked(form(["x"], x={"type": "string", "examples": ["\ud800"]}))


def many(count: int) -> dict[str, Any]:
    values = [f"v{number}" for number in range(count)]
    return {"type": "array", "items": {"type": "string", "enum": values}}


def test_every_option_of_a_choice_can_be_selected():
    suspended = asked(form(["x"], x=many(50)))
    (question,) = suspended.suspension.questions
    labels = [option.label for option in question.options]
    answer = Answer(id=question.id, selected=labels)
    assert answered(suspended, x=answer.selected) == {"x": labels}


def test_a_choice_among_more_values_than_can_be_shown_costs_its_call():
    with pytest.raises(McpFailure, match="shop asks to choose among 51 values; at most 50"):
        asked(form(x=many(51)))
