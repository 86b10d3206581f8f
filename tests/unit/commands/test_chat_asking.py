"""What a turn asks, and what answers it."""

from typing import Any

import pytest

from everruns.commands.chat.asking import Approval, Asking, NotAnAnswer, Questions
from everruns.domain.questions import Question

FORMAT = Question.model_validate(
    {
        "id": "format",
        "question": "Which format?",
        "options": [
            {"label": "PDF", "description": "to print", "recommended": True},
            {"label": "HTML"},
            {"label": "Plain text"},
        ],
    }
)
NAME = Question(id="name", question="Your name?", kind="text")


def shown(asking: Asking) -> str:
    return "\n".join(line.plain for line in asking.card())


def decision(typed: str) -> dict[str, Any]:
    reply = Approval("call_1", "delete_file", {"path": "/a"}).take(typed)
    assert reply.path == "tool-approvals"
    (given,) = reply.body["decisions"]
    assert given.pop("tool_call_id") == "call_1"
    return given


@pytest.mark.parametrize("typed", ["y", "Y", " yes "])
def test_yes_allows_a_call(typed: str) -> None:
    assert decision(typed) == {"decision": "allow"}


def test_always_allows_later_calls_of_the_tool_too() -> None:
    assert decision("a") == {"decision": "allow_always"}


def test_no_rejects_a_call_for_a_reason_if_one_is_given() -> None:
    assert decision("n") == {"decision": "reject"}
    assert decision("no it is needed") == {"decision": "reject", "reason": "it is needed"}


@pytest.mark.parametrize("typed", ["yes please, and then go on", "ok", "never", "1", "yn"])
def test_anything_else_decides_nothing(typed: str) -> None:
    with pytest.raises(NotAnAnswer, match="/say"):
        decision(typed)


def test_an_approval_shows_all_arguments_as_they_are() -> None:
    arguments = {"path": "/" + "x" * 5000, "note": "a\u202eb\u200b\x1b[2J", "tag": "\U000e0041"}

    card = shown(Approval("call_1", "delete_file", arguments))

    assert f'"path": "/{"x" * 5000}"' in card
    assert r'"note": "a\u202eb\u200b\u001b[2J"' in card
    assert r'"tag": "\udb40\udc41"' in card


def test_a_choice_is_answered_by_number_label_or_own_words() -> None:
    given = {
        typed: Questions("call_1", [FORMAT]).take(typed) for typed in ("2", "pdf", "as a poster")
    }

    answers = {typed: reply.body["answers"] for typed, reply in given.items() if reply}
    assert answers == {
        "2": [{"id": "format", "selected": ["HTML"]}],
        "pdf": [{"id": "format", "selected": ["PDF"]}],
        "as a poster": [{"id": "format", "other_text": "as a poster"}],
    }


@pytest.mark.parametrize("typed", ["0", "4", "1,2", ""])
def test_numbers_of_no_option_or_of_too_many_answer_nothing(typed: str) -> None:
    with pytest.raises(NotAnAnswer):
        Questions("call_1", [FORMAT]).take(typed)


def test_several_options_are_chosen_where_that_is_possible() -> None:
    several = FORMAT.model_copy(update={"multi_select": True})

    reply = Questions("call_1", [several]).take("1, 3")

    assert reply is not None
    assert reply.body["answers"] == [{"id": "format", "selected": ["PDF", "Plain text"]}]


def test_several_questions_are_asked_one_after_the_other_and_answered_together() -> None:
    asking = Questions("call_1", [FORMAT, NAME])

    assert "(1 of 2)" in shown(asking)
    assert asking.take("1") is None
    assert "Your name?" in shown(asking)
    reply = asking.take("2")

    assert reply is not None
    assert reply.path == "question-answers"
    assert reply.body == {
        "tool_call_id": "call_1",
        "answers": [{"id": "format", "selected": ["PDF"]}, {"id": "name", "other_text": "2"}],
    }


def test_a_question_shows_its_options_and_which_is_recommended() -> None:
    card = shown(Questions("call_1", [FORMAT]))

    assert "1 PDF (recommended)  to print" in card
    assert "2 HTML" in card


def test_questions_are_declined_and_calls_rejected_by_who_does_not_answer() -> None:
    declined = Questions("call_1", [NAME]).decline()
    rejected = Approval("call_1", "add", {}).decline()

    assert declined.body == {"tool_call_id": "call_1", "status": "declined"}
    assert rejected.body["decisions"][0]["decision"] == "reject"
