"""Events as lines."""

from datetime import datetime
from typing import Any

import pytest

from everruns.commands.event_lines import LONGEST_SUMMARY, line_of, summary

USAGE = {"input_tokens": 1200, "output_tokens": 30, "estimated_cost_usd": 0.0042}
CALL = {"id": "call_1", "name": "add", "arguments": {"a": 19, "b": "twenty-three"}}


def text(role: str, words: str) -> dict[str, Any]:
    return {"message": {"role": role, "content": [{"type": "text", "text": words}]}}


@pytest.mark.parametrize(
    ("event_type", "data", "said"),
    [
        ("message.created", text("user", "What is it?"), "user: What is it?"),
        (
            "message.created",
            {
                "message": {
                    "role": "agent",
                    "content": [{"type": "text", "text": "So:"}, {"type": "tool_call", **CALL}],
                },
                "usage": USAGE,
            },
            "agent: So: → add(a=19, b=twenty-three) (1,200 → 30 tokens, $0.0042)",
        ),
        (
            "message.created",
            {
                "message": {
                    "role": "user",
                    "content": [{"type": "image"}, {"type": "file", "filename": "a.pdf"}],
                }
            },
            "user: [image] [file a.pdf]",
        ),
        ("session.started", {"turn_id": "turn_1"}, "turn_1"),
        ("tool.call", {"tool_call": CALL}, "add(a=19, b=twenty-three)"),
        (
            "tool.call",
            {"tool_call": CALL, "client_side": True},
            "add(a=19, b=twenty-three) by the client",
        ),
        (
            "tool.result",
            {"name": "add", "success": True, "result": {"sum": 42}, "duration_ms": 3},
            'add ok 3 ms: {"sum": 42}',
        ),
        (
            "tool.result",
            {"name": "add", "success": False, "error": "no", "duration_ms": 61_000},
            "add failed 61.0 s: no",
        ),
        (
            "tool.approval",
            {"status": "requested", "tool_call": CALL},
            "waits for approval of add(a=19, b=twenty-three)",
        ),
        (
            "tool.approval",
            {"status": "rejected", "tool_call_id": "call_1", "reason": "too dear"},
            "rejected call_1: too dear",
        ),
        (
            "session.completed",
            {"iterations": 1, "duration_ms": 2500, "usage": USAGE},
            "1 model call in 2.5 s, 1,200 → 30 tokens, $0.0042",
        ),
        (
            "session.failed",
            {"error": {"code": "NO_MODEL", "message": "No model."}},
            "NO_MODEL: No model.",
        ),
        ("session.cancelled", {"reason": "cancelled"}, "cancelled"),
        (
            "context.compacted",
            {"tokens_before": 9000, "tokens_after": 100, "reason": "r"},
            "9,000 → 100 tokens (r)",
        ),
        ("a.later.type", {"name": "x", "n": [1]}, "name=x, n=[1]"),
    ],
)
def test_an_event_says_what_happened(event_type: str, data: dict[str, Any], said: str):
    assert summary(event_type, data) == said


def test_a_long_event_is_cut():
    said = summary("message.delta", {"delta": "x" * 10_000})

    assert len(said) == LONGEST_SUMMARY
    assert said.endswith("…")


def test_a_line_has_time_sequence_and_type_and_nothing_that_a_terminal_obeys():
    ts = "2026-01-31T10:00:00.123Z"
    event = {
        "type": "message.created",
        "ts": ts,
        "sequence": 7,
        "data": text("user", "red\x1b[31m\nand more"),
    }

    local = datetime.fromisoformat(ts).astimezone()
    assert line_of(event) == (
        f"{local:%Y-%m-%d %H:%M:%S}.123      7  message.created        user: red␛[31m and more"
    )


def test_what_is_not_stored_has_no_sequence():
    event = {"type": "message.delta", "ts": "2026-01-31T10:00:00.000Z", "data": {"delta": "Hi"}}

    assert line_of(event)[23:] == f"{'':6}   message.delta          Hi"
