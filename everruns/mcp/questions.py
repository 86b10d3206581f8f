"""What servers ask people in the middle of a call, as questions, and the answers on their way back.

A server asks with a form, a flat object of named values, or with an address to open. Each value
becomes one question. An answer that is not what the form wants is asked for again.

Source: the protocol's "Elicitation" (2026-07-28); docs/mcp.md, "Questions".
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isfinite
from typing import Any, cast

from everruns.domain.questions import MAX_OPTIONS, Option, Question
from everruns.domain.suspensions import MAX_ID_CHARACTERS, MAX_QUESTIONS, Suspension
from everruns.mcp.failures import InputRequired, McpFailure, said
from everruns.mcp.names import cut_with_hash
from everruns.tools.base import Resumption, Suspend

MAX_ROUNDS = 10
NOTHING = "-"
YES, NO, DONE, CANCEL = "Yes", "No", "Done", "Cancel"

Schema = Mapping[str, Any]


def suspend(server: str, asked: InputRequired, rounds: int) -> Suspend:
    """Return the suspension that asks what a server wants to know.

    Args:
        server: The server's name.
        asked: What it asks.
        rounds: How often it has asked in this call before.

    Raises:
        McpFailure: It asks too much, or for what people cannot answer.
    """
    if rounds >= MAX_ROUNDS:
        raise McpFailure(f"The MCP server {server} has asked {rounds} times in one call.")
    return _suspended(server, dict(asked.requests), asked.state, rounds, {})


def answers_of(server: str, resumption: Resumption) -> tuple[dict[str, Any], str | None, int]:
    """Return the responses to a server's requests, its own state, and the rounds so far.

    Raises:
        Suspend: An answer is not what the form wants; it is asked for again.
        McpFailure: The form cannot be read.
    """
    kept: dict[str, Any] = resumption.state
    given = resumption.answers or {}
    requests: dict[str, Any] = kept["requests"]
    rounds: int = kept["rounds"]
    if given.get("status") != "answered":
        return {key: {"action": "decline"} for key in requests}, kept["state"], rounds
    replies = {answer["id"]: _reply(answer) for answer in given["answers"]}
    problems: dict[str, str] = {}
    responses: dict[str, Any] = {}
    with _reading(server):
        for key, request in requests.items():
            responses[key] = _response(key, request.get("params", {}), replies, problems)
    if problems and rounds < MAX_ROUNDS:
        raise _suspended(server, requests, kept["state"], rounds, problems)
    return responses, kept["state"], rounds


def _suspended(
    server: str,
    requests: Mapping[str, Any],
    state: str | None,
    rounds: int,
    problems: Mapping[str, str],
) -> Suspend:
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
    kept = {"requests": requests, "state": state, "rounds": rounds + 1}
    try:
        return Suspend(Suspension(state=kept, questions=questions))
    except (ValueError, TypeError):
        raise McpFailure(f"The MCP server {server} asks with more than can be kept.") from None


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
