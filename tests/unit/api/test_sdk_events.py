"""What the SDK's face shows of a log."""

from typing import Any

import everruns_sdk
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.api.sdk.event_types import SdkEvent
from everruns.api.sdk.events import EVERRUNS, SEQUENCES_PER_EVENT
from everruns.api.sdk.table import RULES
from everruns.domain.events import EventType
from everruns.domain.messages import ThinkingBlock
from everruns.ids import MAX_SEQUENCE, event_id, read_event_id
from tests.logs import SESSION_ID, LogWriter, call_part, logs
from tests.shown_events import LATER, decoded, show, told, writer

USAGE = {"input_tokens": 10, "output_tokens": 5}


class TestTable:
    """Each event of the log, and what it is shown as."""

    def test_a_users_message(self):
        log = writer()
        message = log.events[0].data["message"]
        assert told(show(log.events[:1])) == [("input.message", {"message": message})]

    def test_the_start_of_a_turn(self):
        log = writer()
        begun = {
            "turn_id": log.state.turn.id,
            "input_message_id": log.events[0].data["message"]["id"],
        }
        assert told(show(log.events[1:])) == [("session.activated", begun), ("turn.started", begun)]

    def test_an_answer(self):
        log = writer()
        message = log.agent("hello", usage=USAGE, model="simulated/simulated-1").wire()
        assert told(show(log.events[2:])) == [
            (
                "reason.completed",
                {"success": True, "has_tool_calls": False, "tool_call_count": 0, "usage": USAGE},
            ),
            (
                "output.message.completed",
                {
                    "message": message,
                    "usage": USAGE,
                    "metadata": {"model": "simulated/simulated-1"},
                },
            ),
        ]

    def test_an_answer_with_thinking_and_calls(self):
        log = writer()
        message = log.message("agent", [call_part("call_1", "add", a=1), call_part("call_2")])
        message = message.model_copy(update={"thinking_blocks": [ThinkingBlock(thinking="hm")]})
        log.write(EventType.MESSAGE_CREATED, {"message": message.wire()})
        shown = dict(told(show(log.events[2:])))
        assert list(shown) == [
            "reason.thinking.completed",
            "reason.completed",
            "output.message.completed",
            "act.started",
        ]
        assert shown["reason.thinking.completed"] == {
            "turn_id": log.state.turn.id,
            "thinking": "hm",
        }
        assert shown["reason.completed"]["tool_call_count"] == 2
        assert shown["act.started"]["tool_calls"] == [
            {"id": "call_1", "name": "add"},
            {"id": "call_2", "name": "tool"},
        ]

    def test_an_answer_that_was_broken_off(self):
        log = writer()
        message = log.message("agent", [{"type": "text", "text": "hel"}])
        message = message.model_copy(update={"metadata": {"incomplete": True}})
        log.write(EventType.MESSAGE_CREATED, {"message": message.wire()})
        completed, said = told(show(log.events[2:]))
        assert not completed[1]["success"]
        assert said == ("output.message.completed", {"message": message.wire()})

    def test_a_tool_call(self):
        log = writer()
        log.agent(calls=[call_part("call_1", "add", a=1)])
        log.tool_call("call_1")
        call = {"id": "call_1", "name": "add", "arguments": {"a": 1}}
        assert told(show(log.events[3:])) == [("tool.started", {"tool_call": call})]

    def test_a_tool_call_that_the_client_is_to_run(self):
        log = writer()
        call = {"id": "call_1", "name": "add", "arguments": {"a": 1}}
        data = {"tool_call": call, "message_id": "message_x", "client_side": True, "timeout_ms": 1}
        log.write(EventType.TOOL_CALL, data)
        summaries = [{"id": "call_1", "name": "add"}]
        assert told(show(log.events[2:])) == [
            ("tool.call_requested", {"tool_calls": [call], "tool_summaries": summaries})
        ]

    @pytest.mark.parametrize(
        ("result", "text"), [("done", "done"), ({"sum": 42}, '{"sum":42}'), (None, "null")]
    )
    def test_a_tools_result(self, result: Any, text: str):
        log = writer()
        log.tool_result("call_1", result)
        assert told(show(log.events[2:])) == [
            (
                "tool.completed",
                {
                    "tool_call_id": "call_1",
                    "tool_name": "tool",
                    "success": True,
                    "status": "success",
                    "result": [{"type": "text", "text": text}],
                    "duration_ms": 1,
                },
            )
        ]

    def test_a_tools_error(self):
        log = writer()
        failed = {"tool_call_id": "call_1", "name": "add", "success": False, "duration_ms": 1}
        log.write(EventType.TOOL_RESULT, {**failed, "error": "No such number."})
        ((_, data),) = told(show(log.events[2:]))
        assert (data["status"], data["error"]) == ("error", "No such number.")
        assert "result" not in data

    def test_the_good_end_of_a_turn(self):
        log = writer()
        end = {"turn_id": log.state.turn.id, "iterations": 1, "usage": USAGE}
        more = {"duration_ms": 5, "final_message_id": "message_x"}
        log.write(EventType.SESSION_COMPLETED, {**end, **more})
        assert told(show(log.events[2:])) == [
            ("turn.completed", {**end, **more}),
            ("session.idled", end),
        ]

    def test_a_failed_turn(self):
        log = writer()
        turn = {"turn_id": log.state.turn.id}
        log.end(EventType.SESSION_FAILED)
        assert told(show(log.events[2:])) == [
            ("turn.failed", {**turn, "error": "No model.", "error_code": "no_model"}),
            ("session.idled", turn),
        ]

    def test_a_cancelled_turn(self):
        log = writer()
        turn = {"turn_id": log.state.turn.id}
        log.write(EventType.SESSION_CANCELLED, {**turn, "reason": "enough"})
        assert told(show(log.events[2:])) == [
            ("turn.cancelled", {**turn, "reason": "enough"}),
            ("session.idled", turn),
        ]

    def test_the_parts_of_an_event_share_all_but_their_id_and_their_sequence(self):
        log = writer()
        first, second = map(decoded, show(log.events[1:]))
        logged = log.events[1].envelope
        for field in ("ts", "session_id", "context"):
            assert first[field] == second[field] == logged[field]
        assert first["id"] < second["id"] == logged["id"]
        assert [first["sequence"], second["sequence"]] == [17, 32]

    def test_no_event_has_more_parts_than_it_has_sequences(self):
        assert max(len(rule.names) for rule in RULES.values()) <= SEQUENCES_PER_EVENT

    @given(sequence=st.integers(0, MAX_SEQUENCE))
    def test_a_sequence_names_the_place_of_the_id_of_its_event(self, sequence: int):
        place = EVERRUNS.place_at(sequence)
        identity = event_id(SESSION_ID, LATER, place.sequence, place.position)
        assert EVERRUNS.sequence_of(read_event_id(SESSION_ID, identity)) == sequence

    def test_javascript_holds_every_sequence_exactly(self):
        assert MAX_SEQUENCE <= 2**53 - 1

    def test_the_keys_of_requests_stay_with_the_server(self):
        log = LogWriter(now=LATER)
        log.user("hi", key="key")
        assert b"idempotency" not in b"".join(shown.body for shown in show(log.events))

    @given(log=logs())
    def test_every_event_is_as_documented_and_as_the_sdk_reads_it(self, log: LogWriter):
        for event in log.events:
            for shown in show([event]):
                assert shown.type in EVERRUNS.shown_as[event.type]
                envelope = decoded(shown)
                if "usage" not in envelope["data"] and shown.type == "turn.completed":
                    continue  # These logs do not count what a turn costs.
                SdkEvent.model_validate(envelope)
                assert everruns_sdk.Event(**envelope).sequence == shown.sequence
