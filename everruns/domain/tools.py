"""Tools as a model sees them, and the calls a model makes."""

from typing import Annotated, Any, Literal
from uuid import NAMESPACE_URL, uuid5

import orjson
from pydantic import (
    AfterValidator,
    Field,
    GetCoreSchemaHandler,
    GetPydanticSchema,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_after_validator_function

from everruns.domain.base import KIB, Description, Model, max_bytes
from everruns.domain.forms import TOOL_NAME
from everruns.domain.parts import (
    MAX_IMAGES_BYTES,
    MAX_OUTPUT_IMAGES,
    MAX_OUTPUT_PARTS,
    ImagePart,
    ResultPart,
)
from everruns.domain.schemas import check_foreign_schema
from everruns.domain.waits import DeciderKind, WaitRule

ToolName = Annotated[str, Field(pattern=TOOL_NAME)]
MAX_CLIENT_RESULT_BYTES = 100 * KIB
DEFAULT_TIMEOUT_S = 60.0
"""Seconds after which a call of a tool times out that says nothing else."""

ToolPolicy = Literal["auto", "requires_approval", "client_side"]


def _bounded(result: Any) -> Any:
    if len(orjson.dumps(result)) > MAX_CLIENT_RESULT_BYTES:
        raise ValueError(f"must be at most {MAX_CLIENT_RESULT_BYTES} bytes of JSON")
    return result


def _bounded_parts(parts: list[ResultPart]) -> list[ResultPart]:
    images = [part for part in parts if isinstance(part, ImagePart)]
    if len(images) > MAX_OUTPUT_IMAGES:
        raise ValueError(f"must have at most {MAX_OUTPUT_IMAGES} images")
    if sum(len(image.base64 or "") for image in images) > MAX_IMAGES_BYTES:
        raise ValueError(f"images: must have at most {MAX_IMAGES_BYTES} bytes of base64 together")
    _bounded([part.wire() for part in parts if not isinstance(part, ImagePart)])
    return parts


def _without_recommendation(rule: WaitRule) -> WaitRule:
    if rule.on_timeout == "recommendation":
        raise ValueError("on_timeout must be error or keep_waiting; only questions recommend")
    return rule


ClientWait = Annotated[WaitRule, AfterValidator(_without_recommendation)]
"""How long a client-side tool waits for its result."""


class _DescribedTool(Model):
    name: ToolName
    description: Description
    parameters: dict[str, Any]
    display_name: str | None = None
    category: str | None = None
    wait: WaitRule | None = None
    decided_by: DeciderKind | None = None


class ToolDefinition(_DescribedTool):
    """A tool as described to a model.

    Attributes:
        parameters: A JSON Schema of type object.
        policy: ``requires_approval`` holds each call until it is allowed.
        wait: How long a client-side call waits for its result.
        decided_by: Who may allow a call that is held; ``None`` leaves it to ``tool_approval``.
    """

    type: Literal["builtin", "client_side"] = "client_side"
    policy: ToolPolicy = "auto"


class ClientTool(_DescribedTool):
    """A client-side tool as a client sends it: only with values that act."""

    type: Literal["client_side"] = "client_side"
    policy: Literal["auto", "requires_approval"] = "auto"
    wait: ClientWait | None = None

    @field_validator("parameters")
    @classmethod
    def _usable(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        check_foreign_schema(parameters)
        return parameters

    def defined(self) -> ToolDefinition:
        """Return the tool as it is stored."""
        return ToolDefinition.model_validate(dict(self))


def _as_client_tool(_definition: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    return no_info_after_validator_function(ClientTool.defined, handler(ClientTool))


GivenTool = Annotated[ToolDefinition, GetPydanticSchema(_as_client_tool)]
"""A definition that a client sends, and that is checked as a ``ClientTool``."""


CallId = Annotated[str, Field(min_length=1), max_bytes(256)]


class ToolCall(Model):
    """A model's request to run a tool. ``id`` is unique within its session."""

    id: CallId
    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class ToolResult(Model):
    """The result of a call: a JSON value, parts, or an error text that the model reads."""

    tool_call_id: str
    result: Any = None
    error: str | None = None
    parts: list[ResultPart] | None = None


class ClientToolResult(ToolResult):
    """A client's result of a call: at most 100 KB of JSON, and images."""

    tool_call_id: Annotated[str, Field(min_length=1), max_bytes(256)]
    result: Annotated[Any, AfterValidator(_bounded)] = None
    error: Annotated[str, max_bytes(MAX_CLIENT_RESULT_BYTES)] | None = None
    parts: (
        Annotated[
            list[ResultPart],
            Field(min_length=1, max_length=MAX_OUTPUT_PARTS),
            AfterValidator(_bounded_parts),
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _one_outcome(self) -> "ClientToolResult":
        if self.parts is not None and (self.result is not None or self.error is not None):
            raise ValueError("give either parts, or a result or an error")
        return self


class ToolResults(Model):
    """Results of client-side tool calls."""

    tool_results: Annotated[
        list[ClientToolResult],
        Field(
            min_length=1,
            max_length=100,
            examples=[[{"tool_call_id": "call_1", "result": {"found": 3}}]],
        ),
    ]


class Submitted(Model):
    """What became of results, and the session's status now.

    Attributes:
        accepted: How many of them are in the log now.
        already_stored: How many of these were there before.
    """

    accepted: int
    already_stored: int
    status: str


def idempotency_key(session_id: str, call_id: str) -> str:
    """Return a key that is unique to one call, in all sessions, and always the same for it.

    It is a UUID, because that is what the idempotency keys of most payment services may be.
    """
    return str(uuid5(NAMESPACE_URL, f"everruns:{session_id}/{call_id}"))
