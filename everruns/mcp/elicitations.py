"""One request of a server to a person: the questions that it becomes, and the response.

A server asks with a form, a flat object of named values, or with an address to open. Each value
becomes one question.

Source: the protocol's "Elicitation" (2026-07-28); docs/mcp.md, "Questions".
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from everruns.domain.base import KIB
from everruns.domain.questions import MAX_OPTIONS, Option, Question
from everruns.domain.suspensions import MAX_ID_CHARACTERS
from everruns.mcp.failures import McpFailure, said
from everruns.mcp.form_values import NO, TO_CHOOSE, YES, Schema, labels_of, value_of
from everruns.mcp.names import cut_with_hash

MAX_ADDRESS_BYTES = 8 * KIB
NOTHING = "-"
DONE, CANCEL = "Done", "Cancel"


def questions_of(server: str, key: str, request: Any) -> Iterator[Question]:
    """Yield the questions of a server's request.

    Args:
        server: The server's name.
        key: The request's key.
        request: The request, as the protocol's JSON.

    Raises:
        McpFailure: It asks for something that people cannot give, or for too much.
        AttributeError, KeyError, TypeError, ValueError: The form cannot be read.
    """
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
        if (count := len(labels_of(schema))) > MAX_OPTIONS:
            raise McpFailure(
                f"The MCP server {server} asks to choose among {count} values; at most "
                f"{MAX_OPTIONS} can be shown."
            )
        yield _question(_identity(key, name), message, name, schema, name in _required(params))


def response_to(
    key: str,
    params: Mapping[str, Any],
    replies: Mapping[str, list[str]],
    problems: dict[str, str],
) -> dict[str, Any]:
    """Return the response to a server's request.

    Args:
        key: The request's key.
        params: Its parameters.
        replies: What was replied, by the question's id.
        problems: Filled with what is wrong with replies, by the question's id.
    """
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
            content[name] = value_of(schema, reply)
        except ValueError as error:
            problems[identity] = str(error)
    return {"action": "accept", "content": content}


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


def _identity(key: str, name: str = "") -> str:
    """Return the id of the question for one value of a request; no two values share one."""
    whole = f"{key}.{name}"
    # Without a dot in the key, the first one separates the two.
    if "." not in key and len(whole) <= MAX_ID_CHARACTERS:
        return whole
    return cut_with_hash(whole, (key, name), MAX_ID_CHARACTERS)


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
    labels = labels_of(schema)
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


def _properties(params: Mapping[str, Any]) -> dict[str, Schema]:
    return params.get("requestedSchema", {}).get("properties", {})


def _required(params: Mapping[str, Any]) -> list[str]:
    return params.get("requestedSchema", {}).get("required", [])
