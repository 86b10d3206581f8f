"""Inputs that have ended sessions of other agents for good, by the thread that reported them.

Each request after such an input is legal for every vendor.
"""

from typing import Any

import pytest

from everruns.domain.base import MIB
from everruns.domain.messages import TextPart, ToolCallPart
from everruns.domain.tools import ToolDefinition
from everruns.providers.tool_rules import sent_name
from tests.logs import LogWriter, call_part
from tests.odd_images import IMAGES, image, png
from tests.odd_logs import question
from tests.unit.providers.test_any_history import body_of, request_of
from tests.vendors.table import VENDORS, all_problems

NEXT = TextPart(text="And now?")


def said(*content: Any) -> LogWriter:
    """A turn that a user's message began, and that failed."""
    log = LogWriter()
    question(log, list(content))
    log.end()
    return log


def called(*calls: ToolCallPart, results: tuple[str, ...] = ()) -> LogWriter:
    """An answer with calls, of which some have results, and whose turn was lost."""
    log = LogWriter()
    log.user("go")
    log.agent("Hm.", calls)
    for call_id in results:
        log.tool_result(call_id)
    log.end()
    return log


def begun_with_a_result() -> LogWriter:
    log = LogWriter()
    log.tool_result("gone")
    return log


def mid_batch() -> LogWriter:
    """A history that begins in the middle of a batch of parallel calls."""
    log = LogWriter()
    log.agent("", [call_part("b"), call_part("c")])
    log.tool_result("a")
    log.tool_result("c")
    return log


HISTORIES = {
    "claude-code-58330": lambda: said(IMAGES["an SVG"]),
    "claude-code-34025": lambda: said(*[IMAGES["2500 pixels"]] * 21),
    "claude-code-34120": lambda: said(IMAGES["2500 pixels"], *[IMAGES["a PNG"]] * 20),
    "claude-code-10395": lambda: said(image(png(size=11 * MIB // 2))),
    "pi-224": lambda: said(IMAGES["5 MB"]),
    "happyclaw-15": lambda: said(IMAGES["9000 pixels"]),
    "opencode-go-copilot-103": lambda: said(*[IMAGES["3 MB"]] * 7),
    "a media type that lies": lambda: said(IMAGES["PNG as JPEG"]),
    "no bytes of an image": lambda: said(IMAGES["one byte"]),
    "kimi-code-1053": mid_batch,
    "slicc-644": begun_with_a_result,
    "pi-4570": lambda: called(call_part("a"), call_part("b"), results=("b",)),
    "pi-8667": lambda: called(call_part("a"), call_part("a"), results=("a", "a", "a")),
    "openclaw-28377": lambda: called(results=("never called",)),
    "OpenHarness-191": lambda: called(call_part("a")),
    "copilot-cli-1879": lambda: called(call_part("a", "my.server/tool ü"), results=("a",)),
    "opencode-38808": lambda: called(call_part("a", "n" * 65), results=("a",)),
    "a call without a name": lambda: called(call_part("a", ""), results=("a",)),
    "blank messages": lambda: said(TextPart(text=" ")),
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "copilot-cli-1876": {
        "properties": {"a": {"$ref": "#/$defs/A"}},
        "$defs": {"A": {"type": "object", "properties": {"b": {"$ref": "#/$defs/A"}}}},
    },
    "CloudBase-626": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "properties": {"p": {"anyOf": [{"not": {}}, {"type": "string"}]}},
        "additionalProperties": {},
    },
    "ccs-459": {"properties": {"n": {"type": "number", "exclusiveMinimum": 0, "x-order": 1}}},
    "freee-mcp-15": {"properties": {"金額": {"type": "number"}}, "required": ["金額"]},
    "opencode-35516": {"anyOf": [{"required": ["route"]}, {"required": ["file"]}]},
}


@pytest.mark.parametrize("thread", HISTORIES)
def test_the_session_goes_on(thread: str):
    log = HISTORIES[thread]()
    question(log, [NEXT])

    problems = {
        vendor: all_problems(vendor, body_of(vendor, request_of(vendor, log, [])))
        for vendor in VENDORS
    }

    assert not any(problems.values()), problems


@pytest.mark.parametrize("thread", SCHEMAS)
def test_a_tool_with_such_a_schema_is_taken(thread: str):
    tool = ToolDefinition(
        name="tool", description="", parameters={"type": "object", **SCHEMAS[thread]}
    )
    log = LogWriter()
    question(log, [NEXT])

    problems = {
        vendor: all_problems(vendor, body_of(vendor, request_of(vendor, log, [tool])))
        for vendor in VENDORS
    }

    assert not any(problems.values()), problems


def test_xagent_1342_names_that_differ_at_their_end_stay_two():
    assert sent_name("mcp__server__" + "n" * 60 + "_read") != sent_name(
        "mcp__server__" + "n" * 60 + "_write"
    )
