"""What a reader is given after its cursor."""

import pytest

from everruns.domain.events import Delta, Event, EventType
from everruns.domain.messages import ThinkingBlock
from everruns.domain.sessions import Session
from everruns.registry.event_log import EventLog
from everruns.runtime.cursor import Cursor
from everruns.runtime.draft import Draft
from everruns.runtime.reading import read_session, start_cursor
from everruns.runtime.session import RECENT_EVENTS, LiveSession
from tests.logs import SESSION_ID, LogWriter

NOW = "2026-01-01T00:00:00.000Z"


async def commit(appends):
    return [None for _ in appends]


def live(log: LogWriter) -> LiveSession:
    resource = Session(
        id=SESSION_ID,
        harness_id="h",
        organization_id="o",
        workspace_id="w",
        created_at=NOW,
        updated_at=NOW,
    )
    return LiveSession(resource, log.events, EventLog(commit))


def drafting(log: LogWriter, text: str, reasoning: str = "") -> LiveSession:
    session = live(log)
    session.draft = Draft("message_d", session.state.turn.id, session.state.sequence)
    session.draft.text.append(text)
    session.draft.reasoning.append(reasoning) if reasoning else None
    return session


def read(session: LiveSession, cursor: Cursor):
    cursor = start_cursor(session, cursor)
    return read_session(session, cursor, session.events_after(cursor.sequence), complete=True)


def shown(items: list[Event | Delta]) -> list[object]:
    return [
        (item.type, item.offset, item.text) if isinstance(item, Delta) else item.sequence
        for item in items
    ]


def answered() -> LogWriter:
    log = LogWriter()
    log.user("one")
    log.agent("answer one")
    log.end()
    log.user("two")
    return log


async def test_without_a_cursor_reading_begins_with_the_newest_user_message():
    items, cursor = read(live(answered()), Cursor())
    assert shown(items) == [5, 6]
    assert (cursor.sequence, cursor.live) == (6, True)


async def test_a_replay_shows_events_without_deltas():
    items, _ = read(live(answered()), Cursor(0))
    assert shown(items) == [1, 2, 3, 4, 5, 6]


async def test_nothing_new_is_nothing():
    session = live(answered())
    _, cursor = read(session, Cursor())
    assert read(session, cursor) == ([], cursor)


async def test_a_reader_that_comes_in_mid_message_gets_it_from_its_start():
    items, cursor = read(drafting(answered(), "hello", "hm"), Cursor())
    assert shown(items[2:]) == [("reasoning.delta", 0, "hm"), ("message.delta", 0, "hello")]
    assert (cursor.message_id, cursor.offset, cursor.reasoning_offset) == ("message_d", 5, 2)


async def test_a_reader_gets_only_what_it_has_not_seen_of_the_draft():
    session = drafting(answered(), "hello")
    _, cursor = read(session, Cursor())
    session.draft.text.append(" world")
    items, _ = read(session, cursor)
    assert shown(items) == [("message.delta", 5, " world")]


async def test_a_message_that_is_finished_is_completed_with_deltas_for_a_live_reader():
    log = answered()
    session = drafting(log, "hel")
    _, cursor = read(session, Cursor())
    message = log.message("agent", [{"type": "text", "text": "hello"}])
    message = message.model_copy(
        update={"id": "message_d", "thinking_blocks": [ThinkingBlock(thinking="hm")]}
    )
    log.write(EventType.MESSAGE_CREATED, {"message": message.wire()})
    items, after = read(live(log), cursor)
    assert shown(items) == [("reasoning.delta", 0, "hm"), ("message.delta", 3, "lo"), 7]
    assert items[-1].id > items[1].id(SESSION_ID) > items[0].id(SESSION_ID)
    assert after.sequence == 7


async def test_a_live_reader_that_saw_nothing_of_a_message_gets_all_of_it_as_deltas():
    log = answered()
    _, cursor = read(live(log), Cursor())
    log.agent("whole")
    items, _ = read(live(log), cursor)
    assert shown(items) == [("message.delta", 0, "whole"), 7]


async def test_a_reader_that_replays_gets_no_deltas_of_stored_messages():
    log = answered()
    log.agent("whole")
    items, _ = read(live(log), Cursor(5))
    assert shown(items) == [6, 7]


async def test_an_event_between_two_deltas_does_not_lose_the_readers_place():
    log = answered()
    session = drafting(log, "hello")
    _, cursor = read(session, Cursor())
    log.user("steering")
    session = drafting(log, "hello world")
    items, _ = read(session, cursor)
    assert shown(items) == [7, ("message.delta", 5, " world")]


async def test_a_draft_whose_turn_is_just_being_ended_is_still_shown():
    log = answered()
    session = drafting(log, "hello")
    _, cursor = read(session, Cursor())
    session.draft.text.append(" world")
    session.state.turn = None  # Applied, and not stored yet.
    items, _ = read(session, cursor)
    assert shown(items) == [("message.delta", 5, " world")]


async def test_events_that_left_memory_are_not_answered_from_it():
    log = LogWriter()
    log.user("go")
    for number in range(2 * RECENT_EVENTS):
        log.agent(f"a{number}")
    session = live(log)
    first = len(log.events) - RECENT_EVENTS
    assert session.events_after(first - 1) is None
    assert session.events_after(first) == log.events[first:]
    assert session.events_after(len(log.events)) == []


@pytest.mark.parametrize("sequence", [0, 3, 6])
async def test_a_cursor_after_any_event_gives_exactly_the_rest(sequence: int):
    log = answered()
    items, _ = read(live(log), Cursor(sequence))
    assert items == log.events[sequence:]
