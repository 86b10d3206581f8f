"""What servers ask people in the middle of a call, as questions, and the answers on their way back.

A server asks with a form, a flat object of named values, or with an address to open. Each value
becomes one question. An answer that is not what the form wants is asked for again.

Source: the protocol's "Elicitation" (2026-07-28); docs/mcp.md, "Questions".
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from math import isfinite
from typing import Any, cast

import structlog

from everruns.domain.questions import MAX_OPTIONS, Option, Question
from everruns.domain.suspensions import MAX_ID_CHARACTERS, MAX_QUESTIONS, Suspension
from everruns.mcp.call import AskNow
from everruns.mcp.failures import InputRequired, McpFailure, said
from everruns.mcp.names import cut_with_hash
from everruns.tools.base import Ask, Resumption, Suspend, ToolContext, ToolError

MAX_ROUNDS = 10
NOTHING = "-"
YES, NO, DONE, CANCEL = "Yes", "No", "Done", "Cancel"
NOW = "now"
"""Stands for the server's key in the ids of questions that have none."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

Schema = Mapping[str, Any]


def suspend(
    server: str, asked: InputRequired, rounds: int, task: Mapping[str, Any] | None = None
) -> Suspend:
    """Return the suspension that asks what a server wants to know.

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
    return _suspended(server, kept if task is None else {**kept, "task": task}, {})


def answers_of(server: str, resumption: Resumption) -> tuple[dict[str, Any], str | None, int]:
    """Return the responses to a server's requests, its own state, and the rounds so far.

    Raises:
        Suspend: An answer is not what the form wants; it is asked for again.
        McpFailure: The form cannot be read.
    """
    kept: dict[str, Any] = resumption.state
    rounds: int = kept["rounds"]
    responses, problems = _responses(server, kept["requests"], resumption.answers or {})
    if problems and rounds < MAX_ROUNDS:
        raise _suspended(server, kept, problems)
    return responses, kept["state"], rounds


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
        log.info("mcp question not asked", server=server, reason=str(failure))
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
            responses[key] = _response(key, request.get("params", {}), replies, problems)
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


def _asked(server: str, requests: Mapping[str, Any], problems: Mapping[str, str]) -> list[Question]:
    with _reading(server):
        questions = [
            _with_problem(question, problems.get(question.id))
            for key, request in requests.items()
            for question in _questions(server, key, request)
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


def _identity(key: str, name: str = "") -> str:
    """Return the id of the question for one value of a request; no two values share one."""
    whole = f"{key}.{name}"
    # Without a dot in the key, the first one separates the two.
    if "." not in key and len(whole) <= MAX_ID_CHARACTERS:
        return whole
    return cut_with_hash(whole, (key, name), MAX_ID_CHARACTERS)


def _questions(server: str, key: str, request: Any) -> Iterator[Question]:
    fields = cast("Mapping[str, Any]", request if isinstance(request, dict) else {})
    if fields.get("method") != "elicitation/create":
        raise McpFailure(f"The MCP server {server} asks for something that nobody here can give.")
    params: Mapping[str, Any] = fields.get("params", {})
    message = f"{server}: {said(str(params.get('message', '')))}"
    if params.get("mode") == "url":
        opened = f"{message} Open {said(str(params.get('url', '')))} and come back."
        yield _choice(_identity(key), opened, [DONE, CANCEL])
        return
    properties = _properties(params)
    if not properties:
        yield _choice(_identity(key), message, [YES, NO])
    for name, schema in properties.items():
        if (count := len(_labels(schema))) > MAX_OPTIONS:
            raise McpFailure(
                f"The MCP server {server} asks to choose among {count} values; at most "
                f"{MAX_OPTIONS} can be shown."
            )
        yield _question(_identity(key, name), message, name, schema, name in _required(params))


def _question(
    identity: str, message: str, name: str, schema: Schema, is_required: bool
) -> Question:
    title = said(str(schema.get("title") or name))
    about = said(str(schema.get("description", "")))
    words = f"{message}\n{title}{f' ({about})' if about else ''}"
    if "default" in schema:
        words += f"\nDefault: {said(str(schema['default']))}"
    labels = _labels(schema)
    if labels:
        optional = [] if is_required else [NOTHING]
        many = schema.get("type") == "array"
        return _choice(identity, words, [*labels, *optional], many=many)
    if not is_required or "default" in schema:
        words += f"\nAnswer {NOTHING} to leave it out."
    return Question(id=identity, question=words, kind="text")


def _choice(identity: str, words: str, labels: Sequence[str], *, many: bool = False) -> Question:
    options = [Option(label=label) for label in labels]
    return Question(id=identity, question=words, options=options, multi_select=many)


def _with_problem(question: Question, problem: str | None) -> Question:
    if problem is None:
        return question
    return question.model_copy(update={"question": f"{question.question}\n{problem}"})


def _reply(answer: Mapping[str, Any]) -> list[str]:
    return answer.get("selected") or [answer.get("other_text", "").strip()]


def _response(
    key: str,
    params: Mapping[str, Any],
    replies: Mapping[str, list[str]],
    problems: dict[str, str],
) -> dict[str, Any]:
    properties = _properties(params)
    if params.get("mode") == "url" or not properties:
        said_yes = replies.get(_identity(key), [NO])[0] in {YES, DONE}
        accepted: dict[str, Any] = {} if params.get("mode") == "url" else {"content": {}}
        return {"action": "accept", **accepted} if said_yes else {"action": "decline"}
    content: dict[str, Any] = {}
    for name, schema in properties.items():
        identity = _identity(key, name)
        reply = replies.get(identity, [NOTHING])
        if reply == [NOTHING]:
            if "default" in schema:
                content[name] = schema["default"]
            elif name in _required(params):
                problems[identity] = "An answer is needed."
            continue
        try:
            content[name] = _value(schema, reply)
        except ValueError as error:
            problems[identity] = str(error)
    return {"action": "accept", "content": content}


def _value(schema: Schema, reply: Sequence[str]) -> Any:
    """Return a reply in the type that the form wants.

    Raises:
        ValueError: It is not of this type; the message is for the person.
    """
    labels = _labels(schema)
    match schema.get("type"):
        case "array":
            return [labels[label] for label in reply if label in labels]
        case "boolean":
            return reply[0] == YES
        case "integer":
            return _number(int, reply[0], "A whole number is needed.", schema)
        case "number":
            return _number(float, reply[0], "A number is needed.", schema)
        case _:
            if labels:
                return labels.get(reply[0], reply[0])
            return _text(reply[0], schema)


def _number(kind: type[int] | type[float], text: str, problem: str, schema: Schema) -> float:
    try:
        value = kind(text)
    except ValueError:
        raise ValueError(problem) from None
    if not isfinite(value):
        raise ValueError(problem)
    least, most = schema.get("minimum"), schema.get("maximum")
    if (least is not None and value < least) or (most is not None and value > most):
        bounds = f"from {least}" if least is not None else ""
        raise ValueError(f"A number {bounds}{f' to {most}' if most is not None else ''} is needed.")
    return value


def _text(text: str, schema: Schema) -> str:
    least, most = schema.get("minLength"), schema.get("maxLength")
    if (least is not None and len(text) < least) or (most is not None and len(text) > most):
        raise ValueError(f"A text of {least or 0} to {most or 'any'} characters is needed.")
    return text


def _labels(schema: Schema) -> dict[str, Any]:
    """Return the values to choose from, by what people are shown."""
    if schema.get("type") == "boolean":
        return {YES: True, NO: False}
    if schema.get("type") == "array":
        schema = cast("Schema", schema.get("items", {}))
    named: list[Any] = schema.get("oneOf") or schema.get("anyOf") or []
    if named:
        return {said(str(one.get("title") or one["const"])): one["const"] for one in named}
    names: list[Any] = schema.get("enumNames") or []
    values: list[Any] = schema.get("enum") or []
    shown = names if len(names) == len(values) else values
    return {said(str(name)): value for name, value in zip(shown, values, strict=True)}


def _properties(params: Mapping[str, Any]) -> dict[str, Schema]:
    return params.get("requestedSchema", {}).get("properties", {})


def _required(params: Mapping[str, Any]) -> list[str]:
    return params.get("requestedSchema", {}).get("required", [])
