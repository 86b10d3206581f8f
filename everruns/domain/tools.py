"""Tools as a model sees them, and the calls a model makes."""

from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, Field

from everruns.domain.base import KIB, Description, Model, max_bytes
from everruns.domain.forms import TOOL_NAME

ToolName = Annotated[str, Field(pattern=TOOL_NAME)]
MAX_CLIENT_RESULT_BYTES = 100 * KIB
ToolPolicy = Literal["auto", "requires_approval", "client_side"]


def _bounded(result: Any) -> Any:
    if len(orjson.dumps(result)) > MAX_CLIENT_RESULT_BYTES:
        raise ValueError(f"must be at most {MAX_CLIENT_RESULT_BYTES} bytes of JSON")
    return result


class ToolDefinition(Model):
    """A tool as described to a model.

    ``parameters`` is a JSON Schema of type object.
    """

    type: Literal["builtin", "client_side"] = "client_side"
    name: ToolName
    description: Description
    parameters: dict[str, Any]
    policy: ToolPolicy = "auto"
    display_name: str | None = None
    category: str | None = None


class ToolCall(Model):
    """A model's request to run a tool. ``id`` is unique within its session."""

    id: Annotated[str, Field(min_length=1), max_bytes(256)]
    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class ToolResult(Model):
    """The result of a call: a JSON value, or an error text that the model reads."""

    tool_call_id: str
    result: Any = None
    error: str | None = None


class ClientToolResult(ToolResult):
    """A client's result of a call: at most 100 KB of JSON."""

    tool_call_id: Annotated[str, Field(min_length=1), max_bytes(256)]
    result: Annotated[Any, AfterValidator(_bounded)] = None
    error: Annotated[str, max_bytes(MAX_CLIENT_RESULT_BYTES)] | None = None


class ToolResults(Model):
    """Results of client-side tool calls."""

    tool_results: Annotated[list[ClientToolResult], Field(min_length=1, max_length=100)]


class Submitted(Model):
    """How many results were stored, and the session's status now."""

    accepted: int
    status: str
