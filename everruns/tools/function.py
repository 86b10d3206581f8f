"""Tools out of typed Python functions.

    @tool()
    async def get_weather(
        city: Annotated[str, Field(description="Name of a city.")],
        units: Literal["celsius", "fahrenheit"] = "celsius",
    ) -> dict[str, Any]:
        "Return the weather of a city."

The function's name, docstring and annotations become the definition that a model is told; the
first paragraph of the docstring is the description.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NotRequired, cast, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import TypedDict

from everruns.domain.tools import ToolDefinition
from everruns.tools.base import DEFAULT_TIMEOUT_S, ToolContext, ToolError
from everruns.tools.threads import Threads, ThreadsExhausted

MAX_PLAIN_FUNCTIONS = 32
MAX_OVERRUN_FUNCTIONS = 128
_THREADS = Threads("tool", MAX_PLAIN_FUNCTIONS, MAX_OVERRUN_FUNCTIONS)


@dataclass(frozen=True)
class FunctionTool:
    """A function that a model can call; implements ``Tool``.

    Attributes:
        definition: What the model is told.
        function: Takes the arguments by name. A plain function runs in a thread.
        arguments: Turns the model's JSON into what the function's annotations promise.
        context_name: The parameter that takes the ``ToolContext``, if there is one.
        repeatable: Whether running a call twice does no harm.
        timeout_s: Seconds after which a call is given up.
        destructive: Whether a call may destroy what cannot be had back.
        explain: Words for arguments that break the schema, where a tool knows better ones.
    """

    definition: ToolDefinition
    function: Callable[..., Any]
    arguments: TypeAdapter[dict[str, Any]]
    context_name: str | None
    repeatable: bool
    timeout_s: float
    destructive: bool = False
    explain: Callable[[dict[str, Any]], str | None] | None = None

    async def run(self, arguments: dict[str, Any], context: ToolContext) -> Any:
        """Call the function.

        Raises:
            ToolError: The arguments are wrong, or the function refused.
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
            raise ToolError("Too many tools have not come back. Try again later.") from None


def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    repeatable: bool = False,
    destructive: bool = False,
    explain: Callable[[dict[str, Any]], str | None] | None = None,
) -> Callable[[Callable[..., Any]], FunctionTool]:
    """Turn a typed function into a tool.

    A parameter annotated with ``ToolContext`` gets the context and is not shown to the model.
    ``x: T | None = None`` is shown as an optional ``T``. A plain function runs in a thread, 32 of
    them at a time in one process. After a timeout its thread goes on and no longer counts; with
    128 such threads no more plain functions are run. Write slow tools as ``async def``.

    Args:
        name: What the model calls it; the function's name by default.
        description: What the model is told; the docstring's first paragraph by default.
        timeout_s: Seconds after which a call is given up.
        repeatable: Whether running a call twice does no harm, so that a crash may run it again.
        destructive: Whether a call may destroy what cannot be had back.
        explain: Given arguments that break the schema, may say so in better words.
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
            ),
            function=function,
            arguments=arguments,
            context_name=context_name,
            repeatable=repeatable,
            timeout_s=timeout_s,
            destructive=destructive,
            explain=explain,
        )

    return decorate


def _arguments_type(
    function: Callable[..., Any], hints: dict[str, Any], context_name: str | None
) -> TypeAdapter[dict[str, Any]]:
    """Describe a function's keyword arguments as a dictionary with just the given ones."""
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
    """Leaves out the titles that repeat the names of fields."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # type: ignore[override]
        del schema
        return False


def _parameters(arguments: TypeAdapter[dict[str, Any]]) -> dict[str, Any]:
    """Write the JSON Schema that a model is shown."""
    schema = arguments.json_schema(schema_generator=_Untitled)
    for titled in (schema, *schema.get("$defs", {}).values()):
        titled.pop("title", None)
    schema.setdefault("properties", {})
    schema["additionalProperties"] = False
    required: list[str] = schema.get("required", [])
    for name, field in schema["properties"].items():
        kinds: list[dict[str, Any]] = field.get("anyOf", [])
        if name not in required and len(kinds) == 2 and {"type": "null"} in kinds:
            # Left out and null mean the same; showing both would only invite nulls.
            kind = kinds[0] if kinds[1] == {"type": "null"} else kinds[1]
            rest = {key: value for key, value in field.items() if key != "anyOf"}
            schema["properties"][name] = {**kind, **rest}
    return schema
