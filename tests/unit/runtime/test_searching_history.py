"""Messages that a compaction has replaced: found by their words, and read with their neighbours."""

from everruns.domain.events import EventType
from everruns.registry.database import Database
from everruns.registry.logs import Logs
from everruns.runtime.history import CompactedHistory
from everruns.storage.memory.store import MemoryStore
from tests.logs import LogWriter
from tests.stored import session

LARGE = "large " * 300_000


def history(log: LogWriter, up_to: int | None = None) -> CompactedHistory:
    store = MemoryStore()
    row = session(1, id=log.session_id)
    store.sessions.insert(row)
    store.logs.append([log.as_append()])
    return CompactedHistory(Logs(Database(store)), log.session_id, up_to or log.state.sequence)


def messages(log: LogWriter) -> list[int]:
    return [event.sequence for event in log.events if event.type == EventType.MESSAGE_CREATED]


async def test_a_message_is_read_whatever_large_ones_are_around_it():
    log = LogWriter()
    for text in (LARGE, "before", "wanted", LARGE, LARGE, "last"):
        log.user(text)
    places = messages(log)
    read = await history(log).around(places[2], 0)
    assert read["message"]["text"] == "wanted"
    assert [said["sequence"] for said in read["before"]] == places[:2]
    assert [said["sequence"] for said in read["after"]] == [places[3]]


async def test_neighbours_are_found_however_many_other_events_are_between():
    log = LogWriter()
    log.user("first")
    for _ in range(100):
        log.write(EventType.TOOL_CALL, {"tool_call": {"id": "x"}, "message_id": "message_x"})
    log.user("second")
    first, second = messages(log)
    read = await history(log).around(second, 0)
    assert [said["sequence"] for said in read["before"]] == [first]


async def test_what_the_model_can_still_see_is_no_neighbour():
    log = LogWriter()
    for text in ("first", "second", "third"):
        log.user(text)
    first, second, _ = messages(log)
    assert (await history(log, second).around(first, 0))["after"] == [
        (await history(log, second).around(second, 0))["message"]
    ]


async def test_an_excerpt_has_the_words_whatever_folding_their_case_makes_of_those_before():
    log = LogWriter()
    log.user(f"{'ß' * 2_000} Straße {'x' * 2_000}")
    (found,) = (await history(log).search("STRASSE", None))["found"]
    assert "Straße" in found["text"]
