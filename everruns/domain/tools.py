"""Tools as a model sees them, and the calls a model makes."""

from typing import Annotated, Any, Literal

from pydantic import Field

from everruns.domain.base import Description, Model, max_bytes

ToolName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
ToolPolicy = Literal["auto", "requires_approval", "client_side"]


class ToolDefinition(Model):
    """What a model is told of a tool.

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
    """A model's wish to run a tool. ``id`` is unique within its session."""

    id: Annotated[str, Field(min_length=1), max_bytes(256)]
    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class ToolResult(Model):
    """How a call ended: a JSON value, or an error text that the model reads."""

    tool_call_id: str
    result: Any = None
    error: str | None = None
