"""The two tools by which a model finds and calls the tools that it is not shown.

Source: docs/capabilities.md, "Many tools"; docs/adr/0054-tool-search.md.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson

from everruns.domain.base import KIB
from everruns.domain.deferred_tools import (
    CALL_TOOL,
    SEARCH_TOOLS,
    ToolGroup,
    given_arguments,
    note_of,
)
from everruns.domain.names import nearest_name
from everruns.domain.schemas import find_violation
from everruns.domain.tool_ranking import rank_tools
from everruns.domain.tools import DEFAULT_TIMEOUT_S, ToolDefinition
from everruns.tools.base import ToolContext, ToolError
from everruns.tools.results import cut_text

USUAL_FOUND = 5
MOST_FOUND = 20
# Of all definitions that one search shows. The best one is shown even if it alone has more.
MAX_FOUND_BYTES = 16 * KIB
MAX_QUERY_CHARACTERS = 300
NEAREST = 5

HOW_TO_CALL = f"Call one with {CALL_TOOL}: its name, and arguments as its parameters describe them."
ALL_ARE_LISTED = "All of your tools are listed. Call them by their names."

SEARCH_DEFINITION = ToolDefinition(
    type="builtin",
    name=SEARCH_TOOLS,
    description="Find tools that are not listed, and read their parameters. The system prompt says "
    "where there are some. Returns the best matches first.",
    parameters={
        "type": "object",
        "properties": {
            "query": {
                "type": "string",
                "minLength": 1,
                "maxLength": MAX_QUERY_CHARACTERS,
                "description": 'What the tool should do, in a few words ("create issue"), or the '
                "exact names of tools.",
            },
            "limit": {
                "type": "integer",
                "minimum": 1,
                "maximum": MOST_FOUND,
                "description": f"How many tools to show, {USUAL_FOUND} by default.",
            },
        },
        "required": ["query"],
        "additionalProperties": False,
    },
)
CALL_DEFINITION = ToolDefinition(
    type="builtin",
    name=CALL_TOOL,
    description=f"Call a tool that is not listed. Find it and its parameters with {SEARCH_TOOLS}.",
    parameters={
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "The tool's exact name."},
            "arguments": {
                "type": "object",
                "description": "The tool's arguments.",
                "additionalProperties": True,
            },
        },
        "required": ["name", "arguments"],
        "additionalProperties": False,
    },
)


@dataclass(frozen=True)
class DeferredTools:
    """What can be searched for.

    Attributes:
        groups: The tools that are deferred, by where they come from; empty if all are listed.
        tools: Their definitions.
        known: The names of all tools, listed or not.
    """

    groups: Sequence[ToolGroup] = ()
    tools: Sequence[ToolDefinition] = ()
    known: frozenset[str] = frozenset()

    def nearest_to(self, name: str) -> list[str]:
        """Return the names of a few tools of which a model may have meant one."""
        near = nearest_name(name, self.known)
        found = [near] if near else []
        found += [tool.name for tool in rank_tools(self.tools, name)]
        return list(dict.fromkeys(found))[:NEAREST]

    def unknown(self, name: str) -> str:
        """Return, for the model, that there is no tool of a name, and what it may have meant."""
        near = ", ".join(self.nearest_to(name[:MAX_QUERY_CHARACTERS]))
        hint = f" Did you mean one of these: {near}?" if near else ""
        return f"Unknown tool: {name[:64]}.{hint} Find tools with {SEARCH_TOOLS}."


@dataclass(frozen=True)
class _LooksOnly:
    """What both tools are: calls that change nothing and do not disturb each other.

    Attributes:
        deferred: The tools that are deferred.
        reads_only: See ``Tool``, as for the others.
    """

    deferred: DeferredTools
    reads_only: bool = True
    repeatable: bool = True
    destructive: bool = False
    runs_alone: str | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S


@dataclass(frozen=True)
class SearchTools(_LooksOnly):
    """Finds deferred tools; implements ``Tool``.

    Attributes:
        definition: The tool as described to the model.
    """

    definition: ToolDefinition = SEARCH_DEFINITION

    def problem_with(self, arguments: dict[str, Any]) -> str | None:
        """Return, for the model, why arguments cannot be used; ``None`` if they can."""
        return find_violation(self.definition.parameters, arguments)

    async def run(self, arguments: dict[str, Any], context: ToolContext) -> dict[str, Any]:  # noqa: ARG002 - the protocol's
        """Return the definitions of the tools that were found, and how to call them."""
        if not self.deferred.tools:
            return {"tools": [], "note": ALL_ARE_LISTED}
        query, limit = arguments["query"], arguments.get("limit", USUAL_FOUND)
        # With a thousand tools this takes a moment that other sessions must not wait for.
        ranked = await asyncio.to_thread(rank_tools, self.deferred.tools, query)
        if not ranked:
            return {"tools": [], "note": f"Nothing matches. {note_of(self.deferred.groups)}"}
        shown = _fitting(ranked[:limit])
        more = [tool.name for tool in ranked[len(shown) : MOST_FOUND]]
        found = {"tools": [_shown(tool) for tool in shown], "note": HOW_TO_CALL}
        return {**found, "more_matches": more} if more else found


def _shown(tool: ToolDefinition) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }


def _fitting(ranked: Sequence[ToolDefinition]) -> list[ToolDefinition]:
    """Return the first tools, as far as there is room for their definitions; at least one."""
    left = MAX_FOUND_BYTES
    fitting: list[ToolDefinition] = []
    for tool in ranked:
        left -= len(orjson.dumps(_shown(tool)))
        if left < 0 and fitting:
            break
        fitting.append(tool)
    return fitting


@dataclass(frozen=True)
class CallTool(_LooksOnly):
    """Explains calls from which no call of another tool can be made; implements ``Tool``.

    The others never get here: they are stored as the calls that they mean.

    Attributes:
        definition: The tool as described to the model.
    """

    definition: ToolDefinition = CALL_DEFINITION

    def problem_with(self, arguments: dict[str, Any]) -> str:
        """Return, for the model, why no call can be made from arguments."""
        name = arguments.get("name")
        if not isinstance(name, str):
            return f"Give the name of a tool. {SEARCH_TOOLS} finds them."
        if name.strip() == CALL_TOOL:
            return f"{CALL_TOOL} cannot call itself."
        if name.strip() not in self.deferred.known:
            return self.deferred.unknown(name.strip())
        if given_arguments(arguments) is None:
            return "'arguments' must be an object. " + self._parameters(name)
        extra = ", ".join(sorted(arguments.keys() - {"name", "arguments"}))[:200]
        return f"Put the tool's own parameters ({extra}) into 'arguments'. {self._parameters(name)}"

    def _parameters(self, name: str) -> str:
        return next(
            (parameters_text(tool) for tool in self.deferred.tools if tool.name == name.strip()), ""
        )

    async def run(self, arguments: dict[str, Any], context: ToolContext) -> NoReturn:  # noqa: ARG002 - the protocol's
        """Refuse the call.

        Raises:
            ToolError: Always; the message says what is wrong.
        """
        raise ToolError(self.problem_with(arguments))


def parameters_text(tool: ToolDefinition) -> str:
    """Return what a model is told of the parameters of a tool that it has called wrongly."""
    return cut_text(f"Its parameters: {orjson.dumps(tool.parameters).decode()}", MAX_FOUND_BYTES)
