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

from everruns.domain.base import KIB
from everruns.domain.questions import MAX_OPTIONS, Option, Question
from everruns.domain.suspensions import MAX_ID_CHARACTERS, MAX_QUESTIONS, Suspension
from everruns.mcp.call import AskNow
from everruns.mcp.failures import InputRequired, McpFailure, said
from everruns.mcp.names import cut_with_hash
from everruns.tools.base import Ask, Resumption, Suspend, ToolContext, ToolError

MAX_ROUNDS = 10
MAX_ADDRESS_BYTES = 8 * KIB
# For a server that only wants its call to be sent again.
WAIT_S = 1.0
NOTHING = "-"
YES, NO, DONE, CANCEL = "Yes", "No", "Done", "Cancel"
TO_CHOOSE = "Choose from the options."
NOW = "now"
"""Stands for the server's key in the ids of questions that have none."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

Schema = Mapping[str, Any]


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
            wrong: dict[str, str] = {}
            response = _response(key, request.get("params", {}), replies, wrong)
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
        opened = f"{message} Open {_address(server, params['url'])} and come back."
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


def _address(server: str, url: str) -> str:
    """Return an address as it is, since a part of it would lead elsewhere."""
    if not url or url.split() != [url]:
        raise ValueError("not an address")
    if (size := len(url.encode())) > MAX_ADDRESS_BYTES:
        raise McpFailure(
            f"The MCP server {server} asks to open an address of {size} bytes; at most "
            f"{MAX_ADDRESS_BYTES} can be shown."
        )
    return url


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
    own = answer.get("other_text")
    return [*answer.get("selected", []), *([] if own is None else [own.strip()])]


def _confirmation(
    key: str,
    params: Mapping[str, Any],
    replies: Mapping[str, list[str]],
    problems: dict[str, str],
) -> dict[str, Any]:
    is_address = params.get("mode") == "url"
    yes, no = (DONE, CANCEL) if is_address else (YES, NO)
    reply = replies.get(_identity(key), [no])
    if reply == [yes]:
        return {"action": "accept"} if is_address else {"action": "accept", "content": {}}
    if reply != [no]:
        problems[_identity(key)] = TO_CHOOSE
    return {"action": "decline"}


def _response(
    key: str,
    params: Mapping[str, Any],
    replies: Mapping[str, list[str]],
    problems: dict[str, str],
) -> dict[str, Any]:
    properties = _properties(params)
    if params.get("mode") == "url" or not properties:
        return _confirmation(key, params, replies, problems)
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
            return _chosen(reply, labels, schema)
        case "boolean":
            return _chosen(reply, labels)[0]
        case "integer":
            return _number(int, reply[0], "A whole number is needed.", schema)
        case "number":
            return _number(float, reply[0], "A number is needed.", schema)
        case _:
            if labels:
                return _chosen(reply, labels)[0]
            return _text(reply[0], schema)


def _chosen(
    reply: Sequence[str], labels: Mapping[str, Any], schema: Schema | None = None
) -> list[Any]:
    """Return the values of what was chosen: one, or as many as the schema of an array allows."""
    if not reply or not labels.keys() >= set(reply):
        raise ValueError(TO_CHOOSE)
    least, most = (schema.get("minItems"), schema.get("maxItems")) if schema else (1, 1)
    if (least is not None and len(reply) < least) or (most is not None and len(reply) > most):
        raise ValueError(f"Choose {least or 1} to {most or len(labels)} of the options.")
    return [labels[label] for label in reply]


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
