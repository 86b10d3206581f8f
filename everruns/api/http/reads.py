"""What a route reads of a request by itself, described for the OpenAPI document.

The framework resolves the parameters of most routes and describes them. The hot routes, and those
whose bodies are not JSON, take the request and read it with ``everruns.api.http.requests``; what
they take is declared here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from everruns.domain.base import Model
from everruns.domain.forms import id_form

LONGEST_KEY = 255
KEY_PARAMETER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A retry with the same key and body gets the first response.",
    "schema": {"type": "string", "pattern": rf"^[\x20-\x7e]{{1,{LONGEST_KEY}}}$"},
}
TRACEPARENT_PARAMETER: dict[str, Any] = {
    "name": "traceparent",
    "in": "header",
    "required": False,
    "description": "The W3C trace context of the caller, which the turn's spans become a part of. "
    "What is not one is ignored.",
    "schema": {"type": "string"},
}


@dataclass(frozen=True)
class Reads:
    """What a route reads by itself.

    Attributes:
        body: The type of its JSON body; ``None`` if it has none or one of another kind.
        examples: Example bodies by name.
        content: Its body by content type, if it is not JSON.
        is_required: Whether it needs a body.
        ids: Prefixes of the ids in its path.
        parameters: Other parameters.
        is_keyed: Whether it takes an ``Idempotency-Key``.
    """

    body: type[Model] | None = None
    examples: Mapping[str, Any] = field(default_factory=dict[str, Any])
    content: Mapping[str, Any] = field(default_factory=dict[str, Any])
    is_required: bool = True
    ids: Sequence[str] = ()
    parameters: Sequence[Mapping[str, Any]] = ()
    is_keyed: bool = False

    @property
    def takes_body(self) -> bool:
        """Whether it has a body of any kind."""
        return self.body is not None or bool(self.content)

    @property
    def takes_query(self) -> bool:
        """Whether it reads query parameters."""
        return any(parameter["in"] == "query" for parameter in self.parameters)

    def described(self) -> dict[str, Any]:
        """Return what the OpenAPI document says about it."""
        keys = [KEY_PARAMETER] if self.is_keyed else []
        described: dict[str, Any] = {
            "parameters": [*map(_id_parameter, self.ids), *self.parameters, *keys]
        }
        if self.takes_body:
            content = self.content or {"application/json": _json(self.body, self.examples)}
            described["requestBody"] = {"required": self.is_required, "content": content}
        return described


def _json(body: type[Model] | None, examples: Mapping[str, Any]) -> dict[str, Any]:
    name = body.__name__ if body else ""
    return {
        "schema": {"$ref": f"#/components/schemas/{name}"},
        "examples": {name: {"value": value} for name, value in examples.items()},
    }


def _id_parameter(prefix: str) -> dict[str, Any]:
    return {
        "name": f"{prefix}_id",
        "in": "path",
        "required": True,
        "description": f"Id of {'an' if prefix == 'agent' else 'a'} {prefix}.",
        "schema": {"type": "string", "pattern": id_form(prefix)},
    }
