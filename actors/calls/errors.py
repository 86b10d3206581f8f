"""Errors between processes: the product's own travel as values, with their fields.

Only the product's classes are made again at the other end. One that is not known there, such as
that of a package which only one process has loaded, arrives as the base of all errors.
"""

from collections.abc import Iterator
from typing import Any

# Its errors are found by name.
import everruns.turn_failures  # noqa: F401  # pyright: ignore[reportUnusedImport]
from everruns.errors import EverrunsError
from everruns.tools.base import ToolError

TOOL_ERROR = "ToolError"


def encode_error(error: EverrunsError | ToolError) -> tuple[Any, ...]:
    """Return the error as an array: the name of its class and its fields."""
    if isinstance(error, ToolError):
        return TOOL_ERROR, str(error)
    return type(error).__name__, error.message, error.code, error.retry_after_s


def decode_error(row: list[Any]) -> EverrunsError | ToolError:
    """Return the error that ``encode_error`` has turned into an array."""
    name, *values = row
    if name == TOOL_ERROR:
        return ToolError(*values)
    kind = next((kind for kind in _kinds(EverrunsError) if kind.__name__ == name), EverrunsError)
    error = kind.__new__(kind)
    # A class of a package may have arguments of its own, but it has these fields.
    EverrunsError.__init__(error, *values)
    return error


def _kinds(kind: type[EverrunsError]) -> Iterator[type[EverrunsError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)
