"""A session's events as lines that are printed once and rows that change."""

from typing import Any

from everruns.commands.chat.asking import Approval, Questions
from everruns.commands.chat.transcript import Transcript
from everruns.ids import parse_time

AT = "2026-01-31T10:00:00.000Z"
AT_MS = parse_time(AT)
WIDTH = 80


def take(transcript: Transcript, kind: str, ts: str = AT, **data: Any) -> list[str]:
    """Apply an event; return the lines that it prints."""
    event = {"type": kind, "ts": ts, "data": data}
    return [line.plain for line in transcript.apply(event)]


def rows(transcript: Transcript, after_ms: int = 0) -> list[str]:
    return [row.plain.rstrip() for row in transcript.rows(AT_MS + after_ms, WIDTH)]


def started() -> Transcript:
    transcript = Transcript()
    take(transcript, "session.started", turn_id="turn_1", input_message_id="message_0")
    return transcript


def answer(text: str, message_id: str = "message_1", **fields: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": text}] if text else []
    return {"message": {"id": message_id, "role": "agent", "content": content, **fields}}


def delta(
    transcript: Transcript, offset: int, text: str, message_id: str = "message_1"
) -> list[str]:
    return take(transcript, "message.delta", message_id=message_id, offset=offset, delta=text)


def call(name: str, call_id: str = "call_1", **arguments: Any) -> dict[str, Any]:
    return {"id": call_id, "name": name, "arguments": arguments}


def asks_for_approval(transcript: Transcript, call_id: str = "call_1") -> list[str]:
    return take(
        transcript,
        "tool.approval",
        tool_call_id=call_id,
        name="delete_file",
        status="requested",
        tool_call=call("delete_file", call_id, path="/a"),
        decided_by={"kind": "end_user"},
    )


def test_a_turn_that_has_shown_nothing_yet_works() -> None:
    assert rows(started(), 3000)[0].endswith("Working  3 s")
    assert rows(Transcript()) == []


def test_a_turn_works_also_if_its_beginning_was_not_seen() -> None:
    transcript = Transcript()
    take(transcript, "tool.call", tool_call=call("add"), message_id="m")

    assert transcript.turn_since_ms == AT_MS


def test_lines_of_an_answer_are_printed_when_complete_and_the_rest_is_shown_meanwhile() -> None:
    transcript = started()

    assert delta(transcript, 0, "One\nTw") == ["", "One"]
    assert rows(transcript) == ["Tw"]
    assert take(transcript, "message.created", **answer("One\nTwo")) == ["Two"]


def test_a_replayed_answer_is_printed_whole() -> None:
    printed = take(started(), "message.created", **answer("One\nTwo", thinking="Hm."))

    assert printed == ["  ✻ Thought", "", "One", "Two"]


def test_an_answer_whose_process_died_is_ended_before_the_next_begins() -> None:
    transcript = started()
    delta(transcript, 0, "Once upon")

    printed = delta(transcript, 0, "Once\n", "message_2")

    assert printed == ["Once upon", "  The answer was interrupted.", "", "Once"]


def test_reasoning_is_one_row_while_it_goes_on_and_one_line_afterwards() -> None:
    transcript = started()
    thought = {"message_id": "message_1", "offset": 0, "delta": "First this.\nThen that"}

    assert take(transcript, "reasoning.delta", **thought) == []
    (row,) = rows(transcript, 2000)
    assert row.endswith("Thinking  2 s  Then that")
    later = "2026-01-31T10:00:04.000Z"
    written = {"message_id": "message_1", "offset": 0, "delta": "So\n"}
    assert take(transcript, "message.delta", later, **written) == [
        "  ✻ Thought for 4.0 s",
        "",
        "So",
    ]
    # A new connection brings it once more.
    assert take(transcript, "reasoning.delta", **thought) == []
    assert take(transcript, "message.created", **answer("So\n", thinking="First …")) == []


def test_a_call_is_a_row_with_its_progress_until_its_result_is_a_line() -> None:
    transcript = started()

    assert take(transcript, "tool.call", tool_call=call("add", a=19, b=23), message_id="m") == []
    take(transcript, "tool.progress", tool_call_id="call_1", tool_name="add", message="half\x1b[2J")
    (row,) = rows(transcript, 5000)
    assert row[2:] == "add  5 s  half␛[2J  a=19, b=23"
    result = {"tool_call_id": "call_1", "name": "add", "duration_ms": 1500}
    printed = take(transcript, "tool.result", **result, success=True, result={"sum": 42})
    assert printed == ['✓ add(a=19, b=23) → {"sum": 42}  1.5 s']


def test_a_result_of_parts_and_an_error_are_lines_too() -> None:
    transcript = started()
    parts = [{"type": "text", "text": "A chart"}, {"type": "image", "path": "/chart.png"}]
    given = {"tool_call_id": "call_1", "name": "draw", "duration_ms": 2}

    shown = take(transcript, "tool.result", **given, success=True, parts=parts)
    failed = take(transcript, "tool.result", **given, success=False, error="Out of ink.")

    assert shown == ["✓ draw → A chart; [image /chart.png]  2 ms"]
    assert failed == ["✗ draw → Out of ink.  2 ms"]


def test_held_calls_ask_one_after_the_other_until_anybody_has_decided() -> None:
    transcript = started()
    asks_for_approval(transcript, "call_1")
    asks_for_approval(transcript, "call_2")

    first, second = transcript.all_asking()
    assert isinstance(first, Approval)
    decided = {"tool_call_id": "call_1", "name": "delete_file", "reason": "old"}
    printed = take(transcript, "tool.approval", **decided, status="rejected")

    assert printed == ["Rejected delete_file: old"]
    assert list(transcript.all_asking()) == [second]


def test_a_tool_that_asks_is_shown_under_its_own_name_and_may_ask_again() -> None:
    transcript = started()
    asked = call("ask_user", questions=[{"id": "a", "question": "Go on?", "kind": "text"}])
    asking = {"tool_call": asked, "message_id": "m", "client_side": True}
    take(transcript, "tool.call", tool_call=call("deploy"), message_id="m")
    take(transcript, "tool.suspended", tool_call_id="call_1", name="deploy", state=None)
    take(transcript, "tool.call", **asking)

    (first,) = transcript.all_asking()
    assert isinstance(first, Questions)
    assert rows(transcript)[0][2:].startswith("deploy  0 s  waits for your answer")
    take(transcript, "tool.resumed", tool_call_id="call_1", name="deploy", answers={})
    assert list(transcript.all_asking()) == []
    take(transcript, "tool.call", **asking)
    (second,) = transcript.all_asking()
    assert second is not first


def test_a_clients_tool_called_ask_user_asks_nothing() -> None:
    transcript = started()
    other = call("ask_user", about="weather")

    printed = take(transcript, "tool.call", tool_call=other, message_id="m", client_side=True)

    assert printed[0] == "? ask_user is to be run by a client"
    assert list(transcript.all_asking()) == []


def test_a_turn_ends_with_what_it_cost_or_why_it_failed() -> None:
    usage = {"input_tokens": 1200, "output_tokens": 34, "estimated_cost_usd": 0.0123}
    done = {"turn_id": "turn_1", "iterations": 2, "duration_ms": 65_000, "usage": usage}
    error = {"code": "PROVIDER_REJECTED", "message": "Provider x refuses.\nAdd credit."}

    completed = take(started(), "session.completed", **done)
    failed = take(started(), "session.failed", turn_id="turn_1", error=error)

    assert completed == ["  1,200 tokens in, 34 out · $0.0123 · 65.0 s"]
    assert failed[:2] == ["✗ PROVIDER_REJECTED: Provider x refuses.", "  Add credit."]
    assert "/retry" in failed[2]


def test_the_end_of_a_turn_ends_what_it_asked() -> None:
    transcript = started()
    asks_for_approval(transcript)

    assert take(transcript, "session.cancelled", turn_id="turn_1", reason="x") == ["■ Stopped"]
    assert list(transcript.all_asking()) == []
    assert rows(transcript) == []


def test_compaction_and_reminders_are_mentioned() -> None:
    transcript = started()

    take(transcript, "context.compacting", reason="threshold")
    assert "Compacting the conversation" in rows(transcript)[0]
    compacted = take(transcript, "context.compacted", tokens_before=90_000, tokens_after=4000)
    reminded = take(
        transcript,
        "wait.reminder",
        tool_call_id="call_1",
        name="add",
        type="approval",
        since=AT,
        overdue=True,
    )

    assert compacted == ["  The conversation was compacted, from 90,000 to 4,000 tokens."]
    assert reminded == ["  add still waits, overdue."]


def test_users_messages_have_all_their_lines_and_name_their_files() -> None:
    content = [
        {"type": "text", "text": "Look\n\tat this\x07"},
        {"type": "file", "filename": "a.pdf", "media_type": "application/pdf"},
    ]

    printed = take(Transcript(), "message.created", message={"role": "user", "content": content})

    assert printed == ["", "> Look", "      at this␇", "  [file a.pdf]"]


def test_types_that_a_newer_server_has_are_passed_over() -> None:
    assert take(started(), "session.dreamed", about="sheep") == []


def test_rows_are_never_wider_than_the_terminal() -> None:
    transcript = started()
    take(transcript, "tool.call", tool_call=call("add", a="\u4e2d" * 500), message_id="m")
    delta(transcript, 0, "- " + "word " * 300)

    shown = transcript.rows(AT_MS, 30)

    assert all(row.cell_len <= 30 for row in shown)
    assert len(shown) <= 13
