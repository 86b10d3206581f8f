"""What a reader is given after its cursor."""

import pytest

from everruns.domain.events import Delta, Event, EventType, Passing
from everruns.domain.messages import ThinkingBlock
from everruns.domain.sessions import Session
from everruns.registry.group_commit import GroupCommit
from everruns.runtime.feed.cursor import Cursor
from everruns.runtime.feed.draft import Draft
from everruns.runtime.feed.reading import READING_SIZE, read_session, size_of, start_cursor
from everruns.runtime.recent_events import RECENT_EVENTS
from everruns.runtime.session import LiveSession
from everruns.storage.logs import FIRST_HOLDER
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
    return LiveSession(resource, log.events, GroupCommit(commit), FIRST_HOLDER)


def drafting(log: LogWriter, text: str, reasoning: str = "") -> LiveSession:
    session = live(log)
    session.draft = Draft("message_d", session.state.turn.id, session.state.sequence)
    session.draft.text.append(text)
    session.draft.reasoning.append(reasoning) if reasoning else None
    return session


def read(session: LiveSession, cursor: Cursor):
    cursor = start_cursor(session, cursor)
    return read_session(session, cursor, session.events_after(cursor.sequence), complete=True)


def shown(items: list[Event | Passing]) -> list[object]:
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


async def readings(session: LiveSession, cursor: Cursor):
    """Read on and on until nothing is left."""
    taken = []
    while True:
        items, cursor = read(session, cursor)
        if not items:
            return taken
        taken.append(items)


def rebuilt(items: list[Event | Passing]) -> str:
    text = ""
    for item in items:
        if isinstance(item, Delta):
            assert item.offset == len(text)
            text += item.text
    return text


async def test_events_are_read_up_to_a_size_and_a_larger_one_alone():
    log = LogWriter()
    for size in (READING_SIZE // 2, READING_SIZE // 2, 10, 2 * READING_SIZE, 10):
        log.user("x" * size)
    sequences = [shown(items) for items in await readings(live(log), Cursor(0))]
    assert sequences == [[1, 2], [3, 4], [5], [6]]


async def test_a_long_draft_is_read_in_stretches_that_rebuild_it():
    text = "".join(chr(32 + number % 90) for number in range(3 * READING_SIZE))
    taken = await readings(drafting(answered(), text), Cursor())
    assert max(map(size_of, taken)) <= READING_SIZE
    assert rebuilt([item for items in taken for item in items]) == text


async def test_a_long_message_is_completed_in_stretches_before_its_event():
    log = answered()
    _, cursor = read(live(log), Cursor())
    text = "".join(chr(32 + number % 90) for number in range(3 * READING_SIZE))
    log.agent(text)
    taken = await readings(live(log), cursor)
    assert rebuilt([item for items in taken for item in items]) == text
    assert max(map(size_of, taken[:-1])) <= READING_SIZE
    assert shown(taken[-1]) == [7]


async def test_readers_who_saw_a_message_in_different_ways_stand_at_one_place_after_it():
    log = answered()
    session = drafting(log, "hel")
    _, saw_some = read(session, Cursor())
    _, saw_none = read(live(log), Cursor())
    message = log.message("agent", [{"type": "text", "text": "hello"}])
    message = message.model_copy(update={"id": "message_d"})
    log.write(EventType.MESSAGE_CREATED, {"message": message.wire()})
    ends = {read(live(log), cursor)[1] for cursor in (saw_some, saw_none)}
    assert ends == {Cursor(7, live=True)}
