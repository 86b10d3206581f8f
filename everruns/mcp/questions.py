"""What servers ask people in the middle of a call, as questions, and the answers on their way back.

An answer that is not what the server's form wants is asked for again.

Source: the protocol's "Elicitation" (2026-07-28); docs/mcp.md, "Questions".
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import structlog

from everruns.domain.questions import Question
from everruns.domain.suspensions import MAX_QUESTIONS, Suspension
from everruns.log import error_kind
from everruns.mcp.call import AskNow
from everruns.mcp.elicitations import questions_of, response_to
from everruns.mcp.failures import InputRequired, McpFailure
from everruns.tools.base import Ask, Resumption, Suspend, ToolContext, ToolError

MAX_ROUNDS = 10
# For a server that only wants its call to be sent again.
WAIT_S = 1.0
NOW = "now"
"""Stands for the server's key in the ids of questions that have none."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def suspend(
    server: str, asked: InputRequired, rounds: int, task: Mapping[str, Any] | None = None
) -> Suspend:
    """Return the suspension that asks what a server wants to know.

    A server that asks nothing and only wants its state back gets it after a moment.

    Args:
        server: The server's name.
        asked: What it asks.
        rounds: How often it has asked in this call before.
        task: What is kept of the task that asks, if it is one.

    Raises:
        McpFailure: It asks too much, or for what people cannot answer.
    """
    if rounds >= MAX_ROUNDS:
        raise McpFailure(f"The MCP server {server} has asked {rounds} times in one call.")
    kept = {"requests": dict(asked.requests), "state": asked.state, "rounds": rounds}
    if not asked.requests and asked.state is not None:
        return _later(server, kept)
    return _suspended(server, kept if task is None else {**kept, "task": task}, {})


def answers_of(
    server: str, resumption: Resumption
) -> tuple[dict[str, Any] | None, str | None, int]:
    """Return the responses to a server's requests, its own state, and the rounds so far.

    There are no responses if it has asked nothing. What does not fit the form after the last round
    is sent as ``cancel``.

    Raises:
        Suspend: An answer is not what the form wants; it is asked for again.
        McpFailure: The form cannot be read.
    """
    kept: dict[str, Any] = resumption.state
    rounds: int = kept["rounds"]
    responses, problems = _responses(server, kept["requests"], resumption.answers or {})
    if problems and rounds < MAX_ROUNDS:
        raise _suspended(server, kept, problems)
    return responses or None, kept["state"], rounds


def ask_now(server: str, context: ToolContext, wait_s: float) -> AskNow | None:
    """Return what answers a server's questions while a call goes on; ``None`` if nobody can.

    Args:
        server: The server's name.
        context: The call's context.
        wait_s: Seconds that an answer may take.
    """
    if context.ask is None:
        return None
    return partial(_answer_now, server, context.ask, wait_s)


async def _answer_now(
    server: str, ask: Ask, wait_s: float, request: Mapping[str, Any]
) -> Mapping[str, Any]:
    requests = {NOW: request}
    problems: dict[str, str] = {}
    try:
        for _ in range(MAX_ROUNDS):
            given = await ask(_asked(server, requests, problems), wait_s)
            if given is None:
                return {"action": "cancel"}
            responses, problems = _responses(server, requests, given)
            if not problems:
                return responses[NOW]
    except ToolError as failure:
        log.info("mcp question not asked", server=server, error=error_kind(failure))
    return {"action": "cancel"}


def _responses(
    server: str, requests: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the responses to requests, and what is wrong with answers, by the question's id."""
    if given.get("status") != "answered":
        return {key: {"action": "decline"} for key in requests}, {}
    replies = {answer["id"]: _reply(answer) for answer in given["answers"]}
    problems: dict[str, str] = {}
    responses: dict[str, Any] = {}
    with _reading(server):
        for key, request in requests.items():
            wrong: dict[str, str] = {}
            response = response_to(key, request.get("params", {}), replies, wrong)
            # It is sent like this only once nobody is asked again.
            responses[key] = {"action": "cancel"} if wrong else response
            problems |= wrong
    return responses, problems


def _suspended(server: str, kept: Mapping[str, Any], problems: Mapping[str, str]) -> Suspend:
    questions = _asked(server, kept["requests"], problems)
    state = {**kept, "rounds": kept["rounds"] + 1}
    try:
        # A task takes the same answers again, and changes nothing.
        suspension = Suspension(state=state, questions=questions, repeatable="task" in kept)
        return Suspend(suspension)
    except (ValueError, TypeError):
        raise McpFailure(f"The MCP server {server} asks with more than can be kept.") from None


def _later(server: str, kept: Mapping[str, Any]) -> Suspend:
    state = {**kept, "rounds": kept["rounds"] + 1}
    try:
        return Suspend(Suspension(state=state, resume_after_seconds=WAIT_S))
    except ValueError:
        raise McpFailure(f"The MCP server {server} wants more kept than can be.") from None


def _asked(server: str, requests: Mapping[str, Any], problems: Mapping[str, str]) -> list[Question]:
    with _reading(server):
        questions = [
            _with_problem(question, problems.get(question.id))
            for key, request in requests.items()
            for question in questions_of(server, key, request)
        ]
    if not 1 <= len(questions) <= MAX_QUESTIONS:
        raise McpFailure(f"The MCP server {server} asks for {len(questions)} values at once.")
    if len({question.id for question in questions}) < len(questions):
        raise McpFailure(f"The MCP server {server} asks for two values of the same name.")
    return questions


@contextmanager
def _reading(server: str) -> Generator[None]:
    """Turn what goes wrong with a form that the server made up into a failure of its call."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError):
        raise McpFailure(f"The MCP server {server} asks with a form that cannot be read.") from None


def _with_problem(question: Question, problem: str | None) -> Question:
    if problem is None:
        return question
    return question.model_copy(update={"question": f"{question.question}\n{problem}"})


def _reply(answer: Mapping[str, Any]) -> list[str]:
    own = answer.get("other_text")
    return [*answer.get("selected", []), *([] if own is None else [own.strip()])]
