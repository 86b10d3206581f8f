"""The closed sets from which values of labels come."""

from collections.abc import Collection
from functools import cache

from everruns.capabilities.registry import BUILTIN
from everruns.domain.compaction import SEARCH_HISTORY
from everruns.domain.deferred_tools import SEARCHING
from everruns.errors import error_classes
from everruns.telemetry.meters import OTHER
from everruns.turn_failures import ModelFailure

SUCCESS = "success"
MCP = "mcp"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def error_label(code: str) -> str:
    """Return the label of an error's code: the code if it is one of ours, else ``other``."""
    return code if code in _codes() else OTHER


def tool_label(name: str) -> str:
    """Return the label of a tool: a built-in one's name, ``mcp``, or ``other``.

    Clients, packages and MCP servers name their tools as they like.
    """
    if name in _builtin_tools():
        return name
    return MCP if name.startswith(f"{MCP}_") else OTHER


def method_label(method: str) -> str:
    """Return the label of an HTTP method: one that the API knows, else ``other``."""
    return method if method in METHODS else OTHER


@cache
def model_codes() -> Collection[str]:
    """Return the codes of failed model calls."""
    return frozenset(kind.code for kind in error_classes(ModelFailure))


@cache
def _codes() -> Collection[str]:
    return frozenset(kind.code for kind in error_classes())


@cache
def _builtin_tools() -> Collection[str]:
    tools = [tool.definition.name for capability in BUILTIN for tool in capability.tools]
    return frozenset({*tools, *SEARCHING, SEARCH_HISTORY})
