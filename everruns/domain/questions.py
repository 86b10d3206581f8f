"""Questions that an agent asks its user, and the user's answers.

Source: docs/contract.md, "Questions".
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from everruns.domain.base import KIB, Model, max_bytes
from everruns.domain.sessions import SessionStatus
from everruns.domain.tools import ToolCall
from everruns.errors import InvalidRequest

ASK_USER = "ask_user"
MAX_OPTIONS = 50
"""Most options of a question; of those that a model asks, fewer."""

Words = Annotated[str, Field(min_length=1), max_bytes(10 * KIB)]
Identity = Annotated[str, Field(min_length=1, max_length=64)]


class Option(Model):
    """An answer to choose from."""

    label: Words
    description: Words | None = None
    recommended: bool = False


class Question(Model):
    """A question, answered by choosing options or in the user's own words."""

    id: Identity
    question: Words
    kind: Literal["choice", "text"] = "choice"
    options: list[Option] = Field(default_factory=list[Option])
    multi_select: bool = False


class Questions(Model):
    """The arguments of the tool ``ask_user``."""

    questions: list[Question]


class Answer(Model):
    """The user's answer to one question: chosen labels, own words, or both."""

    id: Identity
    selected: Annotated[list[Words], Field(max_length=MAX_OPTIONS)] = Field(
        default_factory=list[str]
    )
    other_text: Words | None = None

    @field_validator("selected", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value or []


class QuestionAnswers(Model):
    """The user's answers to a set of questions; without a call's id, to the oldest open set."""

    tool_call_id: Annotated[str, Field(min_length=1), max_bytes(256)] | None = None
    status: Literal["answered", "declined"] = "answered"
    answers: Annotated[list[Answer], Field(max_length=20)] = Field(default_factory=list[Answer])


class Answered(Model):
    """How a set of questions ended, and the session's status now.

    Attributes:
        already_stored: 1 if these answers were there before, otherwise 0.
    """

    status: Literal["answered", "declined"]
    answered_by: Literal["user"] = "user"
    already_stored: int
    session_status: SessionStatus


def are_questions(call: ToolCall) -> bool:
    """Tell whether a call is ``ask_user`` rather than a client-side tool of the same name."""
    if call.name != ASK_USER:
        return False
    try:
        return bool(Questions.model_validate(call.arguments).questions)
    except ValidationError:
        return False


def problem_with(arguments: dict[str, Any]) -> str | None:
    """Return, for the model, what is wrong with questions that satisfy the schema."""
    questions = Questions.model_validate(arguments).questions
    ids = [question.id for question in questions]
    if len(set(ids)) < len(ids):
        return "Each question needs a unique id."
    for question in questions:
        count = len(question.options)
        if question.kind == "choice" and not 2 <= count <= 6:
            return f"Question '{question.id}' needs 2 to 6 options; it has {count}."
        if question.kind == "text" and count:
            return f"Question '{question.id}' is of kind text, which has no options."
    return None


def result_of(arguments: dict[str, Any], given: QuestionAnswers) -> dict[str, Any]:
    """Return the user's answers as the model reads them.

    Raises:
        InvalidRequest: An answer does not fit its question, or one is missing.
    """
    if given.status == "declined":
        return as_result(given)
    asked = Questions.model_validate(arguments).questions
    questions = {question.id: question for question in asked}
    for problem in _problems(questions, given.answers):
        raise InvalidRequest(f"answers: {problem}")
    return as_result(given)


def as_result(given: QuestionAnswers) -> dict[str, Any]:
    """Return answers that fit their questions as the model reads them."""
    if given.status == "declined":
        return {"status": "declined", "answers": []}
    return {"status": "answered", "answers": [answer.wire() for answer in given.answers]}


def _problems(questions: dict[str, Question], answers: Sequence[Answer]) -> Iterator[str]:
    for question_id in questions:
        count = sum(answer.id == question_id for answer in answers)
        if count != 1:
            yield f"question {question_id!r} must be answered once"
    for answer in answers:
        question = questions.get(answer.id)
        if question is None:
            yield f"no question has the id {answer.id!r}"
            continue
        labels = {option.label for option in question.options}
        if foreign := set(answer.selected) - labels:
            yield f"{answer.id}: {min(foreign)!r} is not one of its options"
        if len(answer.selected) > 1 and not question.multi_select:
            yield f"{answer.id}: only one option can be selected"
        if not answer.selected and answer.other_text is None:
            yield f"{answer.id}: selected or other_text is needed"


def recommended_result(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what the model reads if its recommendations are taken because nobody answered."""
    recommended = [
        Answer(
            id=question.id,
            selected=[option.label for option in question.options if option.recommended],
        ).wire()
        for question in Questions.model_validate(arguments).questions
    ]
    return {
        "status": "timed_out",
        "answered_by": "recommendation",
        "answers": [answer for answer in recommended if answer.get("selected")],
    }
