"""Where a log can be forked, held against the fold of each of its beginnings."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everruns.domain.forks import forked_event
from everruns.domain.imports import imported_log
from everruns.domain.messages import Message, TextPart
from everruns.domain.state import fold
from everruns.errors import Conflict, InvalidRequest
from everruns.registry.fork_points import ForkPoint, fork_sequence, summary_at
from everruns.storage.logs import FIRST_HOLDER, Append
from everruns.storage.memory.store import MemoryStore
from tests.logs import SESSION_ID, LogWriter, call_part, logs
from tests.stored import session

FORK = session(2, forked_from_session_id=SESSION_ID, forked_from_sequence=1)


def store_of(log: LogWriter) -> MemoryStore:
    store = MemoryStore()
    appended = Append(log.session_id, 1, log.events, log.state.summary, FIRST_HOLDER)
    store.sessions.insert(session(1, id=log.session_id), log=appended)
    return store


def closed(log: LogWriter) -> list[int]:
    """The sequences after which no turn is open and no message waits."""
    states = [fold(log.session_id, log.events[:length]) for length in range(len(log.events) + 1)]
    return [state.sequence for state in states if state.turn is None and not state.unread]


@settings(max_examples=60, deadline=None)
@given(log=logs())
def test_a_log_can_be_forked_where_no_turn_is_open_and_nothing_waits(log: LogWriter):
    kept = store_of(log).logs
    possible = closed(log)
    for sequence in range(len(log.events) + 1):
        point = ForkPoint.at(kept, log.session_id, sequence)
        later = [place for place in possible if place >= sequence]
        expected = (max(place for place in possible if place <= sequence), *later[:1], None)
        assert (point.before, point.after) == expected[:2]


@settings(max_examples=60, deadline=None)
@given(log=logs(), data=st.data())
def test_a_fork_is_summed_up_as_the_fold_of_its_log(log: LogWriter, data: st.DataObject):
    cut = data.draw(st.sampled_from(closed(log)))
    if cut == 0:
        return
    events = [event.copied(FORK.id) for event in log.events[:cut]]
    forked = forked_event(FORK, log.events[cut - 1], log.now + 1)

    told = summary_at(store_of(log).logs, log.session_id, cut, forked)

    assert told == fold(FORK.id, [*events, forked]).summary


def talking() -> LogWriter:
    """A turn of six events, and one that is open from the eighth on."""
    log = LogWriter()
    log.user("one")
    log.agent(calls=[call_part("call_1")])
    log.tool_result("call_1")
    log.agent("first")
    log.end()
    log.user("two")
    log.agent(calls=[call_part("call_2")])
    return log


@pytest.mark.parametrize(
    ("sequence", "inside_turn", "expected"),
    [
        (None, "refuse", 6),
        (0, "refuse", 0),
        (6, "refuse", 6),
        (3, "before", 0),
        (3, "after", 6),
        (1, "after", 6),
        (9, "before", 6),
    ],
)
def test_a_fork_is_moved_out_of_a_turn_if_that_is_wanted(
    sequence: int | None, inside_turn: str, expected: int
):
    log = talking()
    kept = store_of(log).logs
    assert fork_sequence(kept, log.session_id, 9, sequence, inside_turn) == expected


@pytest.mark.parametrize(
    ("sequence", "inside_turn", "words"),
    [
        (3, "refuse", "Fork at sequence 0, before that turn, or 6, after it"),
        (8, "refuse", "Fork at sequence 6, before that turn, or when it has ended"),
        (8, "after", "Fork at sequence 6, before that turn, or when it has ended"),
    ],
)
def test_a_fork_inside_a_turn_is_refused_with_the_places_that_are_possible(
    sequence: int, inside_turn: str, words: str
):
    log = talking()
    with pytest.raises(Conflict, match=words):
        fork_sequence(store_of(log).logs, log.session_id, 9, sequence, inside_turn)


def test_an_event_that_the_log_lacks_is_refused():
    log = talking()
    with pytest.raises(InvalidRequest, match="has 9 events"):
        fork_sequence(store_of(log).logs, log.session_id, 9, 10, "after")


def test_a_session_whose_first_turn_is_open_is_forked_as_an_empty_one():
    log = LogWriter()
    log.user("one")
    assert fork_sequence(store_of(log).logs, log.session_id, 2, None, "refuse") == 0


def test_a_conversation_that_an_agent_began_can_be_forked_after_its_greeting():
    log = LogWriter()
    said = [("agent", "Welcome."), ("agent", "How can I help?"), ("user", "Hi."), ("agent", "Yes?")]
    messages = [
        Message(
            id="message_",
            session_id="session_",
            role=role,
            content=[TextPart(text=text)],
            created_at="",
        )
        for role, text in said
    ]
    log.events, log.state = imported_log(log.session_id, messages, log.now)

    assert closed(log) == [0, 1, 2, 6]
    kept = store_of(log).logs
    assert fork_sequence(kept, log.session_id, 6, 2, "refuse") == 2
    assert fork_sequence(kept, log.session_id, 6, 4, "before") == 2
    assert fork_sequence(kept, log.session_id, 6, None, "refuse") == 6
