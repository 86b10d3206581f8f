"""Where a conversation is cut, and what the model is shown of it then."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everruns.domain.compaction import SEARCH_HISTORY, masked, shown
from everruns.domain.compaction_plan import plan_compaction
from everruns.domain.events import EventType
from everruns.domain.messages import Message, ToolResultPart
from everruns.domain.state import SessionState
from everruns.domain.token_estimates import message_tokens
from everruns.domain.transcript import ORPHAN_ERROR, build_transcript
from tests.logs import LogWriter, call_part, complete, logs

LONG = "word " * 200


def transcript_of(state: SessionState) -> list[Message]:
    history = shown(state.history, state.compaction, state.session_id)
    return build_transcript(history, state.unread)


def texts(state: SessionState) -> list[str]:
    return [message.text for message in transcript_of(state)]


def results(state: SessionState) -> list[object]:
    return [
        part.result
        for message in transcript_of(state)
        for part in message.content
        if isinstance(part, ToolResultPart)
    ]


def talked(turns: int) -> LogWriter:
    log = LogWriter()
    for number in range(turns):
        log.user(f"question {number} {LONG}")
        log.agent(f"answer {number} {LONG}")
        log.end()
    log.user("And now?")
    return log


def worked(steps: int, result: str = LONG) -> LogWriter:
    """A turn that has called a tool again and again, twice at a time."""
    log = LogWriter()
    log.user("Do it all.")
    for number in range(steps):
        ids = [f"call_{number}_{side}" for side in "ab"]
        log.agent("", [call_part(call_id) for call_id in ids])
        for call_id in ids:
            log.tool_result(call_id, f"{call_id} {result}")
    return log


def test_a_summary_stands_for_the_older_messages_and_the_newest_stay():
    log = talked(6)
    assert log.compact(room=1_800, summary="They talked.")
    note, *left = texts(log.state)
    assert "They talked." in note
    assert SEARCH_HISTORY in note
    assert left[-1] == "And now?"
    assert [text[:10] for text in left[-3:-1]] == ["question 5", "answer 5 w"]
    assert not any(text.startswith("question 0") for text in left)


def test_what_was_replaced_is_in_the_log_and_no_longer_in_memory():
    log = talked(6)
    log.compact(room=1_500)
    assert len(log.state.history) < 6
    assert len([event for event in log.events if event.type == "message.created"]) == 13


@settings(max_examples=150)
@given(log=logs(), room=st.integers(5, 80))
def test_a_cut_leaves_every_call_with_its_results(log: LogWriter, room: int):
    if log.state.turn is None:
        log.user("go on")
    if log.state.turn.pending:
        return
    before = {part_id for part_id, _ in orphans(log.state)}
    log.compact(room)
    assert {part_id for part_id, _ in orphans(log.state)} <= before
    called = {call.id for message in transcript_of(log.state) for call in message.tool_calls}
    answered = {
        part.tool_call_id
        for message in transcript_of(log.state)
        for part in message.content
        if isinstance(part, ToolResultPart)
    }
    assert called == answered


def orphans(state: SessionState) -> list[tuple[str, str]]:
    """Calls that the model is told have no result."""
    return [
        (part.tool_call_id, part.error)
        for message in transcript_of(state)
        for part in message.content
        if isinstance(part, ToolResultPart) and part.error == ORPHAN_ERROR
    ]


@settings(max_examples=150)
@given(log=logs(), room=st.integers(5, 80))
def test_a_compaction_makes_the_conversation_shorter_and_keeps_what_is_unread(
    log: LogWriter, room: int
):
    if log.state.turn is None:
        log.user("go on")
    unread = [message.text for message in log.state.unread]
    before = len(log.state.history)
    shown_before = len(shown(log.state.history, log.state.compaction, ""))
    if log.state.turn.pending or not log.compact(room):
        return
    assert [message.text for message in log.state.unread] == unread
    assert len(shown(log.state.history, log.state.compaction, "")) <= shown_before + 1
    assert len(log.state.history) <= before
    assert log.refold() == log.state


def test_open_calls_stay():
    log = talked(3)
    log.agent("", [call_part("open_1"), call_part("open_2")])
    log.tool_result("open_1")
    log.compact(room=600)
    assert {call.id for said in log.state.history for call in said.tool_calls} == {
        "open_1",
        "open_2",
    }


def test_old_results_become_notes_that_say_where_they_are():
    log = worked(6)
    log.compact(room=2_400, kept_results=2, reason="proactive_budget")
    old, *_, newest = results(log.state)
    assert "around_sequence 4" in str(old)
    assert str(newest).endswith(LONG)


def test_a_short_result_is_not_worth_a_note():
    message = Message(
        id="message_1",
        session_id="session_1",
        role="tool_result",
        content=[ToolResultPart(tool_call_id="call_1", result="done")],
        created_at="2026-01-01T00:00:00.000Z",
    )
    assert masked(message) == message


def test_the_question_of_a_turn_stays_while_its_steps_are_replaced():
    log = worked(10, result="done")
    for number in range(10):
        log.agent(f"Step {number}: {LONG}", [call_part(f"more_{number}")])
        log.tool_result(f"more_{number}")
    log.compact(room=1_200)
    note, asked, *_ = texts(log.state)
    assert "So far." in note
    assert asked == "Do it all."


def test_the_beginning_of_what_is_sent_is_the_same_from_step_to_step():
    """So that a provider's cache of it is of use."""
    log = worked(8)
    log.compact(room=1_500)
    before = transcript_of(log.state)
    for number in range(3):
        log.agent("", [call_part(f"next_{number}")])
        log.tool_result(f"next_{number}")
        assert transcript_of(log.state)[: len(before)] == before


def test_a_second_summary_replaces_the_first_and_what_came_after():
    log = talked(6)
    log.compact(room=1_500, summary="First.")
    log.agent("Well.")
    log.end()
    for number in range(6):
        log.user(f"more {number} {LONG}")
        log.agent(LONG)
        log.end()
    log.user("And now?")
    log.compact(room=1_500, summary="Second.")
    notes = [text for text in texts(log.state) if text.startswith("[Earlier messages")]
    assert len(notes) == 1
    assert "Second." in notes[0]
    assert "First." not in notes[0]


def test_without_a_summary_the_last_one_stays():
    log = talked(6)
    log.compact(room=1_500, summary="First.")
    log.agent(LONG)
    log.end()
    for _ in range(6):
        log.user(LONG)
        log.agent(LONG)
        log.end()
    log.user("And now?")
    assert log.compact(room=1_500, summary=None)
    assert "First." in texts(log.state)[0]


def test_a_retry_forgets_a_summary_of_what_it_takes_back():
    log = talked(4)
    for number in range(8):
        log.agent(f"wrong {number} {LONG}", [call_part(f"call_{number}")])
        log.tool_result(f"call_{number}")
    log.compact(room=1_500, summary="It went wrong.")
    log.end(EventType.SESSION_FAILED)
    log.retry()
    complete(log.state, log.events)
    said = texts(log.state)
    assert not any("wrong" in text for text in said)
    assert said[0].startswith("question 0")
    assert said[-1] == "And now?"
    assert log.refold() == log.state


def test_a_retry_keeps_a_summary_of_earlier_turns():
    log = talked(6)
    log.compact(room=1_500, summary="They talked.")
    log.agent("Bad.")
    log.end()
    log.retry()
    complete(log.state, log.events)
    assert "They talked." in texts(log.state)[0]
    assert "Bad." not in texts(log.state)


def test_the_size_is_what_the_provider_reported_and_what_came_after():
    log = LogWriter()
    log.user("hi")
    answer = log.agent(LONG, usage={"input_tokens": 900, "output_tokens": 5_000})
    asked = log.user(LONG)
    # Reasoning counts in what was written, and is not sent again.
    assert log.state.size.tokens == 900 + message_tokens(answer) + message_tokens(asked)


def test_a_message_that_the_model_has_not_read_is_counted_with_what_it_reported():
    log = LogWriter()
    log.user("hi")
    steered = log.user("and this")
    log.agent("hello", read_up_to=1, usage={"input_tokens": 900, "output_tokens": 2})
    assert log.state.size.tokens == 902 + message_tokens(steered)


@pytest.mark.parametrize("room", [1, 100])
def test_instructions_that_leave_no_room_cannot_be_helped(room: int):
    log = talked(6)
    assert plan_compaction(log.state, "proactive_budget", 3_000, room, 1_000, 1) is None


def test_a_conversation_with_nothing_to_replace_is_left_as_it_is():
    log = LogWriter()
    log.user(LONG * 10)
    assert plan_compaction(log.state, "request_too_large", 3_000, 500, 0, 1) is None
