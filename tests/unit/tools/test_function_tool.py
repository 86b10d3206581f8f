"""How typed functions become tools."""

import threading
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from everruns.tools.base import ToolContext, ToolError
from everruns.tools.function import tool

CONTEXT = ToolContext(session_id="session_1", files=None, config={}, call_id="c", turn_id="t")  # type: ignore[arg-type]


class Point(BaseModel):
    x: int
    y: int


@tool()
async def draw(
    shape: Annotated[str, Field(description="What to draw.")],
    context: ToolContext,
    points: list[Point] | None = None,
    title: Literal["none", "big"] | None = None,
    schema: int = 3,
) -> dict[str, Any]:
    """Draw a shape.

    Not for the model.
    """
    return {
        "shape": shape,
        "session": context.session_id,
        "points": points,
        "title": title,
        "schema": schema,
    }


def test_name_and_first_paragraph_become_the_definition():
    assert draw.definition.name == "draw"
    assert draw.definition.description == "Draw a shape."
    assert draw.definition.type == "builtin"


def test_schema_is_closed_and_hides_the_context():
    parameters = draw.definition.parameters
    assert parameters["type"] == "object"
    assert parameters["additionalProperties"] is False
    assert set(parameters["properties"]) == {"shape", "points", "title", "schema"}
    assert parameters["required"] == ["shape"]


def test_schema_says_nothing_twice():
    parameters = draw.definition.parameters
    assert parameters["properties"]["shape"] == {"type": "string", "description": "What to draw."}
    assert parameters["properties"]["title"] == {"type": "string", "enum": ["none", "big"]}
    assert "title" not in parameters["$defs"]["Point"]


def test_function_without_parameters_takes_an_empty_object():
    @tool()
    async def ping() -> str:
        """Ping."""
        return "pong"

    assert ping.definition.parameters == {
        "type": "object",
        "properties": {},
        "additionalProperties": False,
    }


async def test_arguments_arrive_as_the_annotations_promise():
    answer = await draw.run({"shape": "line", "points": [{"x": 1, "y": 2}]}, CONTEXT)
    assert answer["points"] == [Point(x=1, y=2)]
    assert answer["session"] == "session_1"
    assert answer["schema"] == 3


async def test_arguments_that_break_the_annotations_are_refused_in_one_line():
    with pytest.raises(ToolError, match=r"Parameter 'points.0.y' is not valid: Field required"):
        await draw.run({"shape": "line", "points": [{"x": 1}]}, CONTEXT)


async def test_plain_function_runs_beside_the_event_loop():
    @tool()
    def where() -> int:
        """Tell the thread."""
        return threading.get_ident()

    assert await where.run({}, CONTEXT) != threading.get_ident()


def test_name_description_and_limits_can_be_given():
    @tool(name="other", description="Words.", timeout_s=5, repeatable=True)
    async def something() -> None:
        """Nothing."""

    assert something.definition.name == "other"
    assert something.definition.description == "Words."
    assert something.timeout_s == 5
    assert something.repeatable
