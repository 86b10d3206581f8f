"""What a row has of an event, and what it never has."""

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everruns.archive.columns import EVENT_COLUMNS, SESSION_COLUMNS
from everruns.archive.rows import (
    FILE_TOOLS,
    MAX_ARGUMENTS,
    MAX_ERROR,
    MAX_NAME,
    MAX_TEXT,
    event_row,
    session_row,
)
from everruns.domain.events import EventType, NewEvent
from everruns.storage.history import SessionEntry
from tests.odd_logs import VALUES

SESSION = SessionEntry("session_1", "agent_1", "anna", None, [], "idle", 1, 2, "session_0", 3)
KINDS = {"VARCHAR": str, "BIGINT": int, "DOUBLE": float, "BOOLEAN": bool, "TIMESTAMP": int}
SECRET = "only-in-a-file"

FIELDS = st.sampled_from(
    [
        *("message", "content", "type", "text", "id", "role", "usage", "timing", "input_tokens"),
        *("estimated_cost_usd", "started_ms", "tool_call", "tool_call_id", "name", "arguments"),
        *("error", "code", "success", "duration_ms", "iterations", "unfinished", "model"),
    ]
)
ODD = st.recursive(
    VALUES | st.integers(-(2**63), 2**64 - 1) | st.floats(-1e308, 1e308),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=8,
)


def row(kind: EventType, data: dict[str, Any], sequence: int = 4) -> dict[str, Any]:
    return event_row(
        NewEvent(kind, data, {"turn_id": "turn_1"}).at("session_1", sequence, 5), SESSION
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(EventType), st.dictionaries(FIELDS, ODD, max_size=8))
def test_any_event_has_a_row_of_the_right_types(kind: EventType, data: dict[str, Any]) -> None:
    made = row(kind, data)
    for name, value in made.items():
        kind_of_value = bool if isinstance(value, bool) else type(value)
        assert issubclass(kind_of_value, KINDS[EVENT_COLUMNS[name]]), name
        assert (kind_of_value is bool) == (EVENT_COLUMNS[name] == "BOOLEAN"), name
    assert len(made.get("text", "")) <= MAX_TEXT
    assert len(made.get("error", "")) <= MAX_ERROR
    assert len(made.get("tool_name", "")) <= MAX_NAME
    assert len(made.get("arguments", "")) <= MAX_ARGUMENTS


def test_an_answer_has_its_call_of_the_model() -> None:
    made = row(
        EventType.MESSAGE_CREATED,
        {
            "message": {
                "id": "message_1",
                "role": "agent",
                "content": [{"type": "text", "text": "It is "}, {"type": "text", "text": "42."}],
            },
            "model": "work/gpt",
            "finish_reason": "stop",
            "usage": {
                "input_tokens": 10,
                "output_tokens": 5,
                "cache_read_tokens": 3,
                "cache_creation_tokens": 2,
                "estimated_cost_usd": 1,
            },
            "timing": {
                "started_ms": 1,
                "first_token_ms": 2,
                "ended_ms": 3,
                "attempts": 1,
                "provider": "openai",
            },
        },
    )
    assert made == {
        **row(EventType.CAPABILITIES_PREPARED, {}),
        "id": made["id"],
        "type": "message.created",
        "message_id": "message_1",
        "role": "agent",
        "text": "It is 42.",
        "is_shortened": False,
        "model": "work/gpt",
        "provider": "openai",
        "finish_reason": "stop",
        "input_tokens": 10,
        "output_tokens": 5,
        "cache_read_tokens": 3,
        "cache_creation_tokens": 2,
        "cost_usd": 1.0,
        "started_ms": 1,
        "first_token_ms": 2,
        "ended_ms": 3,
        "attempts": 1,
    }


def test_an_unpriced_call_has_no_cost() -> None:
    made = row(EventType.MESSAGE_CREATED, {"message": {}, "usage": {"input_tokens": 1}})
    assert "cost_usd" not in made


@pytest.mark.parametrize("kind", [EventType.SESSION_FAILED, EventType.SESSION_CANCELLED])
def test_an_interrupted_call_counts_where_its_turn_ends(kind: EventType) -> None:
    unfinished = {"model": "m", "usage": {"output_tokens": 3}}
    made = row(kind, {"turn_id": "turn_1", "unfinished": unfinished})
    assert (made["model"], made["output_tokens"]) == ("m", 3)


def test_the_sum_of_a_completed_turn_is_not_counted_again() -> None:
    data = {"iterations": 2, "duration_ms": 900, "usage": {"input_tokens": 7}}
    made = row(EventType.SESSION_COMPLETED, data)
    assert (made["iterations"], made["duration_ms"]) == (2, 900)
    assert "input_tokens" not in made


def test_a_failure_has_its_code_and_its_message() -> None:
    made = row(EventType.SESSION_FAILED, {"error": {"code": "LOOP", "message": "Stopped."}})
    assert (made["error_code"], made["error"]) == ("LOOP", "Stopped.")


def test_a_compaction_without_a_summary_says_why() -> None:
    error = {"code": "PROVIDER_UNAVAILABLE", "message": "HTTP 503"}
    made = row(EventType.CONTEXT_COMPACTED, {"model": "a/b", "error": error, "duration_ms": 7})
    assert (made["error_code"], made["error"]) == ("PROVIDER_UNAVAILABLE", "HTTP 503")
    assert made["duration_ms"] == 7


def test_events_up_to_the_fork_are_copies() -> None:
    copied = [row(EventType.SESSION_STARTED, {}, place)["is_copied"] for place in (2, 3, 4)]
    assert copied == [True, True, False]


@pytest.mark.parametrize(
    "tool", [*sorted(FILE_TOOLS), "mcp_disk__write_file", "mcp_a__b__edit_file"]
)
def test_what_is_in_files_is_left_out_of_calls(tool: str) -> None:
    arguments = {"path": "/a", "content": SECRET, "pattern": SECRET, "edits": [{"new": SECRET}]}
    made = row(
        EventType.TOOL_CALL, {"tool_call": {"id": "c", "name": tool, "arguments": arguments}}
    )
    assert made["arguments"] == '{"path":"/a"}'
    assert made["is_shortened"]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (EventType.TOOL_RESULT, {"tool_call_id": "c", "name": "t", "result": SECRET}),
        (EventType.TOOL_RESULT, {"tool_call_id": "c", "parts": [{"type": "text", "text": SECRET}]}),
        (
            EventType.MESSAGE_CREATED,
            {"message": {"content": [{"type": "file", "text": SECRET, "base64": SECRET}]}},
        ),
        (
            EventType.MESSAGE_CREATED,
            {"message": {"content": [{"type": "image", "base64": SECRET}]}},
        ),
        (EventType.MESSAGE_CREATED, {"message": {"thinking_blocks": [{"thinking": SECRET}]}}),
        (EventType.MESSAGE_CREATED, {"message": {"metadata": {"note": SECRET}}}),
        (EventType.CAPABILITIES_PREPARED, {"offered": {"mcp:x": {"prompt": SECRET}}}),
        (EventType.TOOL_SUSPENDED, {"tool_call_id": "c", "state": {"token": SECRET}}),
        (EventType.TOOL_RESUMED, {"tool_call_id": "c", "answers": [SECRET]}),
        (EventType.CONTEXT_COMPACTED, {"summary": SECRET, "restated": SECRET}),
    ],
)
def test_contents_are_left_out(kind: EventType, data: dict[str, Any]) -> None:
    assert SECRET not in orjson.dumps(row(kind, data)).decode()


def test_keys_of_requests_are_left_out() -> None:
    context = {"turn_id": "turn_1", "idempotency": {"key": SECRET, "request": SECRET}}
    event = NewEvent(EventType.MESSAGE_CREATED, {"message": {}}, context).at("session_1", 1, 5)
    assert SECRET not in orjson.dumps(event_row(event, SESSION)).decode()


def test_long_texts_are_shortened() -> None:
    content = [{"type": "text", "text": "x" * (MAX_TEXT + 1)}]
    made = row(EventType.MESSAGE_CREATED, {"message": {"content": content}})
    assert (len(made["text"]), made["is_shortened"]) == (MAX_TEXT, True)


def test_long_arguments_are_shortened() -> None:
    arguments = {"query": "q" * 5_000, "limit": 3}
    call = {"id": "c", "name": "search", "arguments": arguments}
    made = row(EventType.TOOL_CALL, {"tool_call": call})
    assert orjson.loads(made["arguments"]) == {"query": "q" * 1_000 + "…", "limit": 3}
    assert made["is_shortened"]


def test_of_too_many_arguments_the_names_are_kept() -> None:
    call = {"id": "c", "name": "n", "arguments": {"rows": [*range(10_000)], "table": "t"}}
    made = row(EventType.TOOL_CALL, {"tool_call": call})
    assert orjson.loads(made["arguments"]) == {"rows": "…", "table": "…"}


def test_a_session_has_the_columns_of_its_table() -> None:
    assert {*session_row(SESSION, 3), "agent_name"} == {*SESSION_COLUMNS}
