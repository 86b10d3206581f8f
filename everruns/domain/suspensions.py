"""Tool calls that are suspended: they go on when the user has answered, or after a time.

A suspended call occupies no process or connection: what its tool needs to go on is in the log, and
any process can run it again.

Source: docs/contract.md, "Waiting"; ADR 0052.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, Field, model_validator

from everruns.domain.base import KIB, Model
from everruns.domain.questions import Question

MAX_STATE_BYTES = 64 * KIB
MAX_ID_CHARACTERS = 60
MAX_QUESTIONS = 20
LONGEST_SLEEP_S = 86_400


def _bounded(state: Any) -> Any:
    if len(orjson.dumps(state)) > MAX_STATE_BYTES:
        raise ValueError(f"must be at most {MAX_STATE_BYTES} bytes of JSON")
    return state


def _short_ids(questions: list[Question]) -> list[Question]:
    if any(len(question.id) > MAX_ID_CHARACTERS for question in questions):
        raise ValueError(f"ids must have at most {MAX_ID_CHARACTERS} characters")
    return questions


class Suspension(Model):
    """How a call is suspended: until its questions are answered, or else for a time.

    Attributes:
        state: What the tool gets back when it goes on, any JSON value.
        questions: What the user is asked.
        resume_after_seconds: After how many seconds the call goes on, if nobody is asked.
        repeatable: Whether the run with which it goes on can safely run twice, whatever the tool
            says about its calls.
    """

    state: Annotated[Any, AfterValidator(_bounded)] = None
    questions: Annotated[
        list[Question], Field(max_length=MAX_QUESTIONS), AfterValidator(_short_ids)
    ] = Field(default_factory=list[Question])
    resume_after_seconds: Annotated[float, Field(gt=0, le=LONGEST_SLEEP_S)] | None = None
    repeatable: bool = False

    @model_validator(mode="after")
    def _until_something(self) -> "Suspension":
        if bool(self.questions) == (self.resume_after_seconds is not None):
            raise ValueError("give either questions or resume_after_seconds")
        return self


@dataclass(frozen=True)
class Suspended:
    """A suspended call, as the log leaves it.

    Attributes:
        state: What its tool gets back.
        resumes_ms: When it goes on, in milliseconds since the epoch; ``None`` if it asks.
        questions: The arguments of ``ask_user`` that it asks with; ``None`` if it does not ask.
        is_resumed: Whether it may go on now.
        answers: The user's answers, in the form of a result of ``ask_user``.
        rounds: How often the call has asked.
        is_repeatable: Whether the run with which it goes on can safely run twice.
    """

    state: Any
    resumes_ms: int | None = None
    questions: dict[str, Any] | None = None
    is_resumed: bool = False
    answers: dict[str, Any] | None = None
    rounds: int = 0
    is_repeatable: bool = False

    @property
    def sleeps_until_ms(self) -> int | None:
        """Until when nothing happens to it; ``None`` if it asks or has been resumed."""
        return None if self.is_resumed else self.resumes_ms


def asked_in_round(questions: Sequence[Question], round_: int) -> list[Question]:
    """Return questions with ids that no other round of their call has.

    So an answer that is sent again cannot be mistaken for the answer to a later question.

    Args:
        questions: The questions of one round.
        round_: How often the call has asked before.
    """
    if not round_:
        return list(questions)
    return [
        question.model_copy(update={"id": f"{question.id}#{round_ + 1}"}) for question in questions
    ]


def answers_for_tool(suspended: Suspended) -> dict[str, Any] | None:
    """Return the answers to a suspended call with the ids that its tool gave the questions."""
    return as_asked(suspended.answers, suspended.rounds)


def as_asked(answers: dict[str, Any] | None, rounds: int) -> dict[str, Any] | None:
    """Return answers with the ids that the questions had before ``asked_in_round``.

    Args:
        answers: The answers, in the form of a result of ``ask_user``.
        rounds: How often their call has asked, this round included.
    """
    if answers is None or rounds <= 1:
        return answers
    mark = f"#{rounds}"
    named = [{**answer, "id": answer["id"].removesuffix(mark)} for answer in answers["answers"]]
    return {**answers, "answers": named}
