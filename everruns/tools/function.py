"""Tools from typed Python functions.

    @tool()
    async def get_weather(
        city: Annotated[str, Field(description="Name of a city.")],
        units: Literal["celsius", "fahrenheit"] = "celsius",
    ) -> dict[str, Any]:
        "Return the weather of a city."

The function's name, docstring and annotations become the definition that the model gets; the
docstring's first paragraph is the description.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NotRequired, cast, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import TypedDict

from everruns.domain.schemas import find_violation
from everruns.domain.tools import DEFAULT_TIMEOUT_S, ToolDefinition
from everruns.domain.waits import DeciderKind
from everruns.tools.base import ToolContext, ToolError
from everruns.tools.threads import Threads, ThreadsExhausted

MAX_PLAIN_FUNCTIONS = 32
MAX_OVERRUN_FUNCTIONS = 128
_THREADS = Threads("tool", MAX_PLAIN_FUNCTIONS, MAX_OVERRUN_FUNCTIONS)


@dataclass(frozen=True)
class FunctionTool:
    """A function that a model can call; implements ``Tool``.

    Attributes:
        definition: The tool as described to the model.
        function: Takes the arguments by name. A plain function runs in a thread.
        arguments: Converts the model's JSON to the types of the function's annotations.
        context_name: The parameter for the ``ToolContext``, if any.
        repeatable: Whether a call can safely run twice.
        timeout_s: Seconds after which a call times out.
        destructive: Whether a call may destroy something irrecoverably.
        explain: Describes arguments that break the schema, if the tool has better words.
        reads_only: Whether a call changes nothing.
        runs_alone: Calls of tools with the same name here do not run at the same time.
    """

    definition: ToolDefinition
    function: Callable[..., Any]
    arguments: TypeAdapter[dict[str, Any]]
    context_name: str | None
    repeatable: bool
    timeout_s: float
    destructive: bool = False
    explain: Callable[[dict[str, Any]], str | None] | None = None
    reads_only: bool = False
    runs_alone: str | None = None

    def problem_with(self, arguments: dict[str, Any]) -> str | None:
        """Return, for the model, why arguments cannot be used; ``None`` if they can."""
        violation = find_violation(self.definition.parameters, arguments)
        if violation is None:
            return None
        return (self.explain and self.explain(arguments)) or violation

    async def run(self, arguments: dict[str, Any], context: ToolContext) -> Any:
        """Call the function.

        Raises:
            ToolError: The arguments are invalid, or the function refused.
        """
        try:
            values = self.arguments.validate_python(arguments)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise ToolError(f"Parameter '{place}' is not valid: {first['msg']}") from None
        if self.context_name is not None:
            values[self.context_name] = context
        if inspect.iscoroutinefunction(self.function):
            return await self.function(**values)
        try:
            return await _THREADS.run(partial(self.function, **values))
        except ThreadsExhausted:
            raise ToolError(
                "Too many timed-out tool calls are still running. Try again later."
            ) from None


def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    reads_only: bool = False,
    repeatable: bool = False,
    destructive: bool = False,
    runs_alone: str | None = None,
    requires_approval: bool = False,
    decided_by: DeciderKind | None = None,
    explain: Callable[[dict[str, Any]], str | None] | None = None,
) -> Callable[[Callable[..., Any]], FunctionTool]:
    """Turn a typed function into a tool.

    A parameter annotated with ``ToolContext`` gets the context and is not shown to the model.
    ``x: T | None = None`` is shown as an optional ``T``. A plain function runs in a thread, 32 at
    a time in one process. After a timeout its thread keeps running and no longer counts; with
    128 such threads, no more plain functions run. Write slow tools as ``async def``.

    Args:
        name: The tool's name; the function's name by default.
        description: The tool's description; the docstring's first paragraph by default.
        timeout_s: Seconds after which a call times out.
        reads_only: Whether a call changes nothing, so that it can safely run twice too.
        repeatable: Whether a call can safely run twice, so that it is retried after a crash.
        destructive: Whether a call may destroy something irrecoverably, so that ``tool_approval``
            holds it.
        runs_alone: A name; of all tools that have it, one call of a session runs at a time.
        requires_approval: Whether each call is held for approval, with or without that capability.
        decided_by: Who decides about a call that is held; by default the capability's config says.
        explain: Given arguments that break the schema, may return a better error text.
    """

    def decorate(function: Callable[..., Any]) -> FunctionTool:
        hints = get_type_hints(function, include_extras=True)
        context_name = next((key for key, hint in hints.items() if hint is ToolContext), None)
        arguments = _arguments_type(function, hints, context_name)
        first_paragraph = (inspect.getdoc(function) or "").split("\n\n")[0]
        return FunctionTool(
            definition=ToolDefinition(
                type="builtin",
                name=name or function.__name__,
                description=description or " ".join(first_paragraph.split()),
                parameters=_parameters(arguments),
                policy="requires_approval" if requires_approval else "auto",
                decided_by=decided_by,
            ),
            function=function,
            arguments=arguments,
            context_name=context_name,
            repeatable=repeatable or reads_only,
            timeout_s=timeout_s,
            destructive=destructive,
            explain=explain,
            reads_only=reads_only,
            runs_alone=runs_alone,
        )

    return decorate


def _arguments_type(
    function: Callable[..., Any], hints: dict[str, Any], context_name: str | None
) -> TypeAdapter[dict[str, Any]]:
    """Describe a function's keyword arguments as a dictionary of the given ones."""
    optional = cast("Any", NotRequired)
    fields = {
        name: hints.get(name, Any)
        if parameter.default is parameter.empty
        else optional[hints.get(name, Any)]
        for name, parameter in inspect.signature(function).parameters.items()
        if name != context_name
    }
    dictionary: Any = cast("Any", TypedDict)("Arguments", fields)
    dictionary.__pydantic_config__ = ConfigDict(extra="forbid")
    return TypeAdapter(dictionary)


class _Untitled(GenerateJsonSchema):
    """Omits the titles, which repeat the field names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # type: ignore[override]
        del schema
        return False


def _parameters(arguments: TypeAdapter[dict[str, Any]]) -> dict[str, Any]:
    """Return the JSON Schema for the model."""
    schema = arguments.json_schema(schema_generator=_Untitled)
    for titled in (schema, *schema.get("$defs", {}).values()):
        titled.pop("title", None)
    schema.setdefault("properties", {})
    schema["additionalProperties"] = False
    required: list[str] = schema.get("required", [])
    for name, field in schema["properties"].items():
        kinds: list[dict[str, Any]] = field.get("anyOf", [])
        if name not in required and len(kinds) == 2 and {"type": "null"} in kinds:
            # Absent and null mean the same; showing both would only invite nulls.
            kind = kinds[0] if kinds[1] == {"type": "null"} else kinds[1]
            rest = {key: value for key, value in field.items() if key != "anyOf"}
            schema["properties"][name] = {**kind, **rest}
    return schema
