"""The capabilities that the documentation prints are the ones that are tested."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from everruns.domain.images import Image, read_image
from everruns.domain.parts import ImagePart
from everruns.domain.questions import Option, Question
from everruns.domain.suspensions import Suspension
from everruns.domain.tools import ToolCall
from everruns.tools.base import Resumption, Suspend, ToolContext, ToolError
from everruns.tools.function import FunctionTool, tool
from everruns.tools.toolbox import Toolbox

CONTEXT = ToolContext(session_id="session_1", files=None, config={}, call_id="c", turn_id="t")  # type: ignore[arg-type]
ROOT = Path(__file__).parents[3]


def printed(first_line: str) -> str:
    """The block of docs/capabilities.md that begins with a line."""
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/capabilities.md").read_text(), re.DOTALL
    )
    return next(block for block in blocks if block.startswith(first_line))


def test_the_payment_example_is_printed_as_it_is_tested():
    source = (ROOT / "examples/payments/everruns_payments.py").read_text()
    assert printed('"""everruns_payments.py') == source


async def test_the_chart_example_returns_an_image():
    found: dict[str, Any] = {}
    exec(printed('"""everruns_charts.py'), found)
    (draw,) = found["CHARTS"].tools

    call = ToolCall(id="call_1", name="draw_bars", arguments={"heights": [3, 100, 50]})
    result = (await Toolbox([(draw, {})]).call(call, CONTEXT)).result

    text, image, value = result.parts or ()
    assert isinstance(image, ImagePart)
    assert read_image(image.base64 or "") == Image("image/png", 24, 100)
    assert (text.type, value.wire()) == ("text", {"type": "json", "value": {"highest": 100}})


def test_the_reports_example_is_printed_as_it_is_tested():
    source = (ROOT / "examples/reports/everruns_reports.py").read_text()
    assert printed('"""everruns_reports.py') == source


async def test_the_example_of_a_suspended_call_asks_and_goes_on():
    found: dict[str, Any] = {
        "tool": tool,
        "ToolContext": ToolContext,
        "ToolError": ToolError,
        "Suspend": Suspend,
        "Suspension": Suspension,
        "Question": Question,
        "Option": Option,
    }
    exec(printed("@tool()\nasync def order_parts"), found)
    order: FunctionTool = found["order_parts"]
    context = ToolContext(session_id="s", files=None, turn_id="t", config={}, call_id="c")  # type: ignore[arg-type]
    with pytest.raises(Suspend) as suspended:
        await order.run({"part": "wheel"}, context)
    state = suspended.value.suspension.state
    for given, ordered in [
        ({"selected": ["express"]}, "ordered, express"),
        ({"selected": [], "other_text": "by pigeon"}, "ordered, by pigeon"),
    ]:
        answers = {"status": "answered", "answers": [{"id": "delivery", **given}]}
        resumed = replace(context, resumption=Resumption(state, answers))
        assert await order.run({"part": "wheel"}, resumed) == ordered


def test_the_dice_example_is_a_capability():
    found: dict[str, Any] = {}
    exec(printed('"""everruns_dice.py'), found)
    (roll,) = found["DICE"].tools
    assert isinstance(roll, FunctionTool)
    assert list(roll.definition.parameters["properties"]) == ["count"]
