"""The OpenAPI document: FastAPI's description of the routes, and every error they can return.

``python -m everruns.api.docs FILE`` writes it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from everruns.api.docs.request_schemas import separate_requests
from everruns.api.docs.schema_rules import state_rules
from everruns.api.http.access import GuardedRoute
from everruns.api.http.auth import QUERY_PARAMETER
from everruns.api.http.errors import RETRY_STATUSES, status_of
from everruns.api.http.faces import Face
from everruns.api.http.reads import KEY_PARAMETER
from everruns.errors import EverrunsError, PlacedElsewhere, SequenceConflict, error_classes
from everruns.turn_failures import BudgetUnpriced, TurnFailure

DESCRIPTION = """A durable runtime for AI agents.

`/v1` is the API. `/api/v1` is the same API with the names that the Everruns SDK uses: give the SDK
a base URL that ends in `/api`. `/providers` is another name for `/llm-providers`, and `/llm-models`
for `/models`.

`/v1` refuses fields and query parameters that it does not know.

## Errors

Every error response has the shape of `Error`. `code` is stable:

| code | status | meaning |
|---|---|---|
{answers}

A turn that fails ends with the event `session.failed`, whose `error` has one of the codes above or
one of these:

| code | meaning |
|---|---|
{failures}
"""
# Errors between the server's own processes, and kinds of which only the subclasses occur.
NOT_MET: tuple[type[EverrunsError], ...] = (PlacedElsewhere, SequenceConflict)
# Failures of turns that can be foreseen when something is made, and are then refused.
ALSO_ANSWERED: Mapping[type[EverrunsError], int] = {BudgetUnpriced: 400}
# Where the first sentence of a description ends.
CLAUSE = re.compile(r"[.;:,](\s|$)")
TAGS = {
    "agents": "A system prompt, a model and capabilities under a name.",
    "agent_documents": "Copy agents, export them as documents and import them.",
    "sessions": "Durable conversations with agents.",
    "channels": "One agent, called by an application on behalf of its users.",
    "messages": "The messages of a session.",
    "conversations": "Export a session's conversation, and import it as a new session.",
    "events": "The event log of a session, streamed or listed.",
    "tool_results": "What turns wait for: results of client-side tools, answers and approvals.",
    "capabilities": "What an agent can do: tools and prompts to enable by id.",
    "providers": "Accounts at model vendors.",
    "mcp_servers": "Servers of the Model Context Protocol, whose tools agents use.",
    "models": "The models that providers offer.",
    "harnesses": "The environments that sessions run in.",
    "workspaces": "File systems that sessions work in.",
    "workspace_files": "The files of a workspace.",
    "raw_files": "The bytes of a workspace's files.",
    "budgets": "Spending limits of sessions and agents.",
    "usage": "Tokens, money, turns and tool calls.",
    "sql": "Queries of all sessions.",
    "access_tokens": "Short-lived credentials with few rights, for browsers.",
    "api_keys": "The credentials of programs.",
    "cluster": "Nodes, and the server's processes on them.",
    "deployment": "What the server is, and what the caller may do.",
    "health": "Liveness and readiness of the server.",
}
ERROR: dict[str, Any] = {
    "type": "object",
    "description": "What went wrong.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "code"],
            "properties": {
                "message": {
                    "type": "string",
                    "description": "For people: what went wrong and why.",
                },
                "code": {"type": "string", "description": "For programs: a stable code."},
            },
        }
    },
    "example": {"error": {"message": "Agent agent_0198… not found", "code": "AGENT_NOT_FOUND"}},
}
RESPONSES = {
    400: ("Invalid", "The request is invalid; the message names the field and the reason."),
    401: ("Unauthorized", "A valid API key or access token is required."),
    403: (
        "Forbidden",
        "The key or token lacks the right, or the host or the page's origin is not allowed.",
    ),
    404: ("NotFound", "The resource does not exist."),
    408: ("RequestTimedOut", "The body did not arrive in time."),
    409: ("Conflict", "The request conflicts with the state of the resource."),
    412: ("PreconditionFailed", "The file is not as `If-Match` or `If-None-Match` requires."),
    413: ("TooLarge", "The body is too large."),
    429: ("Overloaded", "Too many requests; retry after `Retry-After` seconds."),
    500: ("Unforeseen", "The server failed unexpectedly."),
    503: ("Unavailable", "Temporarily unavailable; retry after `Retry-After` seconds."),
}
SCHEMES = {
    "api_key": {"type": "http", "scheme": "bearer", "description": "`evr_…`"},
    "access_token": {"type": "http", "scheme": "bearer", "description": "`evt_…`"},
    "stream_token": {
        "type": "apiKey",
        "in": "query",
        "name": QUERY_PARAMETER,
        "description": "`evt_…`, on streams only, because `EventSource` cannot send headers.",
    },
}
# The empty requirement makes them optional: the deployment decides whether to require one.
SECURITY: list[dict[str, list[str]]] = [{}, {"api_key": []}, {"access_token": []}]


def build_document(app: FastAPI, faces: Sequence[Face]) -> dict[str, Any]:
    """Return the OpenAPI document of an app and its faces."""
    routes = [r for r in app.routes if isinstance(r, GuardedRoute) and not r.is_alias]
    document = get_openapi(
        title="Everruns on Ray",
        version=version("everruns"),
        description=DESCRIPTION.format(answers=_answer_rows(), failures=_failure_rows()),
        routes=routes,
        servers=[{"url": "/", "description": "The server that this document comes from."}],
        separate_input_output_schemas=False,
    )
    document["tags"] = list(_tags(document, faces))
    schemas: dict[str, Any] = document["components"]["schemas"]
    schemas |= _body_schemas(routes)
    state_rules(schemas)
    schemas["Error"] = ERROR
    document["components"]["responses"] = {
        name: _error_response(status, text) for status, (name, text) in RESPONSES.items()
    }
    document["components"]["securitySchemes"] = SCHEMES
    document["security"] = SECURITY
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["summary"] = CLAUSE.split(operation["description"], maxsplit=1)[0]
            operation["responses"].pop("422", None)  # Reported as 400.
            for status in _error_statuses(path, operation):
                reference = f"#/components/responses/{RESPONSES[status][0]}"
                operation["responses"][str(status)] = {"$ref": reference}
    for route in routes:
        if route.is_stream and route.include_in_schema:
            operation = document["paths"][route.path_format]["get"]
            operation["security"] = [*SECURITY, {"stream_token": []}]
    separate_requests(document, faces)
    return document


def _tags(document: dict[str, Any], faces: Sequence[Face]) -> Iterator[dict[str, str]]:
    """Yield the groups of operations, face by face."""
    used = {
        tag
        for operations in document["paths"].values()
        for operation in operations.values()
        for tag in operation["tags"]
    }
    for face in faces:
        for name, text in TAGS.items():
            if face.tag(name) in used:
                yield {"name": face.tag(name), "description": f"{text} {face.audience}".rstrip()}


def _body_schemas(routes: Sequence[GuardedRoute]) -> dict[str, Any]:
    """Return the schemas of the bodies that routes read by themselves."""
    bodies = {route.reads.body for route in routes if route.reads and route.reads.body}
    _, schema = models_json_schema(
        [(body, "validation") for body in sorted(bodies, key=lambda body: body.__name__)],
        ref_template="#/components/schemas/{model}",
    )
    return schema["$defs"]


def _answer_rows() -> str:
    """Return the table of the errors that a request can be answered with."""
    met = [
        error
        for error in error_classes()
        if not issubclass(error, TurnFailure) and error not in NOT_MET
    ]
    statuses = {**{error: status_of(error) for error in met}, **ALSO_ANSWERED}
    rows = {error.code: f"{status} | {_meaning(error)}" for error, status in statuses.items()}
    return "\n".join(f"| `{code}` | {row} |" for code, row in sorted(rows.items()))


def _failure_rows() -> str:
    """Return the table of the errors with which a turn can end."""
    rows = {error.code: _meaning(error) for error in error_classes(TurnFailure)}
    return "\n".join(f"| `{code}` | {meaning} |" for code, meaning in sorted(rows.items()))


def _meaning(error: type[EverrunsError]) -> str:
    return (error.__doc__ or "").partition("\n")[0]


def _error_statuses(path: str, operation: dict[str, Any]) -> Iterator[int]:
    yield from (400, 401, 403)
    if "{" in path or "requestBody" in operation:
        yield 404
    keyed = KEY_PARAMETER in operation.get("parameters", ())
    if "requestBody" in operation or keyed or "409" in operation["responses"]:
        yield 409
    if "412" in operation["responses"]:
        yield 412
    if "requestBody" in operation or keyed:
        yield from (408, 413)
    yield from (429, 500, 503)


def _error_response(status: int, text: str) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": text,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    if status in RETRY_STATUSES:
        response["headers"] = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}}
    return response


def render_document(app: FastAPI) -> bytes:
    """Return the OpenAPI document as the file that is kept with the source."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(app.openapi(), option=options)
