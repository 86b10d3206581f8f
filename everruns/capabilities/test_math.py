"""Arithmetic for testing tool calls: the right answer is known in advance."""

import math
from typing import Annotated, Any

from pydantic import WithJsonSchema

from everruns.capabilities.base import Capability
from everruns.tools.base import ToolError
from everruns.tools.function import tool

# Integers stay integers, so that large ones stay exact.
First = Annotated[
    int | float, WithJsonSchema({"type": "number", "description": "The first number."})
]
Second = Annotated[
    int | float, WithJsonSchema({"type": "number", "description": "The second number."})
]


@tool(repeatable=True)
async def add(a: First, b: Second) -> dict[str, Any]:
    """Add two numbers."""
    return _answer("add", a, b, a + b)


@tool(repeatable=True)
async def subtract(a: First, b: Second) -> dict[str, Any]:
    """Subtract the second number from the first."""
    return _answer("subtract", a, b, a - b)


@tool(repeatable=True)
async def multiply(a: First, b: Second) -> dict[str, Any]:
    """Multiply two numbers."""
    return _answer("multiply", a, b, a * b)


@tool(repeatable=True)
async def divide(a: First, b: Second) -> dict[str, Any]:
    """Divide the first number by the second."""
    if b == 0:
        raise ToolError("Cannot divide by zero")
    return _answer("divide", a, b, a / b)


def _answer(operation: str, a: float, b: float, result: float) -> dict[str, Any]:
    if not math.isfinite(result):
        raise ToolError("The result is too large")
    return {"result": result, "operation": operation, "a": a, "b": b}


TEST_MATH = Capability(
    id="test_math",
    name="Test Math",
    description="Four arithmetic tools, to test tool calls with.",
    icon="calculator",
    category="Testing",
    system_prompt="You have math tools (add, subtract, multiply, divide). Use them to calculate.",
    tools=[add, subtract, multiply, divide],
)
