"""The capabilities that the documentation prints are the ones that are tested."""

import re
from pathlib import Path
from typing import Any

from everruns.tools.function import FunctionTool

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


def test_the_reports_example_is_printed_as_it_is_tested():
    source = (ROOT / "examples/reports/everruns_reports.py").read_text()
    assert printed('"""everruns_reports.py') == source


def test_the_dice_example_is_a_capability():
    found: dict[str, Any] = {}
    exec(printed('"""everruns_dice.py'), found)
    (roll,) = found["DICE"].tools
    assert isinstance(roll, FunctionTool)
    assert list(roll.definition.parameters["properties"]) == ["count"]
