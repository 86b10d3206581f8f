"""What a user may say to an agent's questions."""

from typing import Any

import pytest

from everruns.domain.questions import (
    QuestionAnswers,
    problem_with,
    recommended_result,
    result_of,
)
from everruns.errors import InvalidRequest

FORMAT: dict[str, Any] = {
    "id": "format",
    "question": "Which format?",
    "options": [{"label": "PDF", "recommended": True}, {"label": "HTML"}],
}
NAME = {"id": "name", "question": "What is it called?", "kind": "text"}
ASKED = {"questions": [FORMAT, NAME]}


def given(*answers: dict[str, Any], **fields: Any) -> QuestionAnswers:
    return QuestionAnswers.model_validate({"answers": answers, **fields})


def test_answers_are_handed_on():
    answers = given({"id": "format", "selected": "HTML"}, {"id": "name", "other_text": "Report"})
    assert result_of(ASKED, answers) == {
        "status": "answered",
        "answers": [
            {"id": "format", "selected": ["HTML"]},
            {"id": "name", "selected": [], "other_text": "Report"},
        ],
    }


def test_a_user_may_decline():
    assert result_of(ASKED, given(status="declined")) == {"status": "declined", "answers": []}


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([{"id": "format", "selected": "PDF"}], "'name' must be answered once"),
        ([{"id": "other", "other_text": "x"}], "must be answered once"),
        (
            [{"id": "format", "selected": "DOC"}, {"id": "name", "other_text": "x"}],
            "'DOC' is not one",
        ),
        (
            [{"id": "format", "selected": ["PDF", "HTML"]}, {"id": "name", "other_text": "x"}],
            "only one option",
        ),
        ([{"id": "format"}, {"id": "name", "other_text": "x"}], "selected or other_text"),
        (
            [{"id": "format", "selected": "PDF"}, {"id": "name", "other_text": "x"}] * 2,
            "must be answered once",
        ),
    ],
)
def test_answers_that_do_not_fit_are_refused(answers: list[dict[str, Any]], reason: str):
    with pytest.raises(InvalidRequest, match=reason):
        result_of(ASKED, given(*answers))


def test_an_answer_to_no_question_is_refused():
    answers = [{"id": "format", "selected": "PDF"}, {"id": "name", "other_text": "x"}]
    with pytest.raises(InvalidRequest, match="no question has the id 'more'"):
        result_of(ASKED, given(*answers, {"id": "more", "other_text": "x"}))


def test_recommendations_that_are_taken_say_that_nobody_answered():
    assert recommended_result(ASKED) == {
        "status": "timed_out",
        "answered_by": "recommendation",
        "answers": [{"id": "format", "selected": ["PDF"]}],
    }


@pytest.mark.parametrize(
    ("questions", "reason"),
    [
        ([FORMAT, FORMAT], "unique id"),
        ([{**FORMAT, "options": FORMAT["options"][:1]}], "needs 2 to 6 options; it has 1"),
        ([{**NAME, "options": FORMAT["options"]}], "which has no options"),
    ],
)
def test_questions_that_make_no_sense_are_explained(questions: list[Any], reason: str):
    assert reason in str(problem_with({"questions": questions}))
    assert problem_with(ASKED) is None
