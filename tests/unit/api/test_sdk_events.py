"""What the SDK's face shows of a log, and that a reader cut anywhere gets exactly the rest."""

import asyncio
from collections.abc import Iterable
from typing import Any

import everruns_sdk
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from everruns.api.http.vocabulary import ShownEvent
from everruns.api.sdk.event_types import SdkEvent
from everruns.api.sdk.events import EVERRUNS, FINENESS, LONGEST, SEQUENCES_PER_EVENT
from everruns.api.sdk.table import RULES
from everruns.domain.events import Delta, Event, EventType, Passing
from everruns.domain.messages import ThinkingBlock
from everruns.domain.sessions import Session
from everruns.ids import GENERIC_HARNESS_ID, MAX_SEQUENCE, event_id, made_ms, new_id, read_event_id
from everruns.registry.group_commit import GroupCommit
from everruns.runtime.feed.cursor import Cursor
from everruns.runtime.feed.draft import Draft
from everruns.runtime.feed.reading import read_session
from everruns.runtime.session import LiveSession
from everruns.storage.logs import FIRST_HOLDER
from tests.logs import SESSION_ID, LogWriter, call_part, logs

LATER = 2_000_000_000_000  # After every id that a test makes.
NOW = "2026-01-01T00:00:00.000Z"
USAGE = {"input_tokens": 10, "output_tokens": 5}
PASSING = {"reason.started"} | {
    f"{text}.{stage}"
    for text in ("reason.thinking", "output.message")
    for stage in ("started", "delta")
}


def show(items: Iterable[Event | Passing], after: str | None = None) -> list[ShownEvent]:
    """What a reader is shown that has seen an event last."""
    seen = read_event_id(SESSION_ID, after) if after else None
    shown, _ = EVERRUNS.begin(SESSION_ID, seen).show(items)
    return shown


def decoded(shown: ShownEvent) -> dict[str, Any]:
    return orjson.loads(shown.body)


def told(shown: Iterable[ShownEvent]) -> list[tuple[str, dict[str, Any]]]:
    return [(event.type, decoded(event)["data"]) for event in shown]


def message_id(ms: int) -> str:
    """The id of a message that was begun at a time; no two are the same."""
    return f"message_{ms:012x}{new_id('message')[-20:]}"


def writer() -> LogWriter:
    log = LogWriter(now=LATER)
    log.user("hi")
    return log


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


def delta(
    text: str,
    offset: int = 0,
    kind: EventType = EventType.MESSAGE_DELTA,
    message_id: str = "message_" + "0" * 32,
    ms: int = LATER,
) -> Delta:
    return Delta(kind, message_id, offset, text, 1 + offset, 7, "turn_x", ms)


def thought(text: str, offset: int = 0, **more: Any) -> Delta:
    return delta(text, offset, EventType.REASONING_DELTA, **more)


class TestMessageBeingWritten:
    def test_it_begins_and_grows(self):
        shown = told(show([delta("hello"), delta(" world", 5)]))
        assert shown == [
            ("reason.started", {"harness_id": GENERIC_HARNESS_ID}),
            ("output.message.started", {"turn_id": "turn_x"}),
            (
                "output.message.delta",
                {"turn_id": "turn_x", "delta": "hello", "accumulated": "hello"},
            ),
            (
                "output.message.delta",
                {"turn_id": "turn_x", "delta": " world", "accumulated": "hello world"},
            ),
        ]

    def test_its_thinking_comes_before_its_text(self):
        shown = show([thought("h"), thought("m", 1), delta("hello")])
        assert [event.type for event in shown] == [
            "reason.started",
            "reason.thinking.started",
            "reason.thinking.delta",
            "reason.thinking.delta",
            "output.message.started",
            "output.message.delta",
        ]
        assert decoded(shown[3])["data"]["accumulated"] == "hm"

    def test_thinking_after_text_waits_for_the_whole_message(self):
        shown = show([delta("hello"), thought("hm"), delta("!", 5)])
        assert {event.type for event in shown}.isdisjoint({"reason.thinking.delta"})
        assert decoded(shown[-1])["data"]["accumulated"] == "hello!"

    def test_every_frame_is_as_documented_and_as_the_sdk_reads_it(self):
        for shown in show([thought("hm"), delta("hello")]):
            SdkEvent.model_validate(decoded(shown))
            event = everruns_sdk.Event(**decoded(shown))
            # Without a sequence: a client that drops what it has seen by sequence keeps it.
            assert (event.id, event.sequence) == (shown.id, None)
            assert event.context.turn_id == "turn_x"

    def test_a_long_text_is_shown_in_stretches_that_are_worth_their_length(self):
        log = writer()
        size = 20_000
        message = log.message("agent", [{"type": "text", "text": "x" * size}])
        log.write(EventType.MESSAGE_CREATED, {"message": message.wire()})
        one_by_one = [delta("x", place, message_id=message.id) for place in range(size)]
        shown = told(show([*one_by_one, log.events[-1]]))
        deltas = [data for kind, data in shown if kind == "output.message.delta"]
        assert "".join(data["delta"] for data in deltas) == "x" * size
        assert sum(len(data["accumulated"]) for data in deltas) < 2 * FINENESS * size

    def test_a_text_beyond_what_ids_can_count_goes_on_with_the_whole_message(self):
        stretch = "x" * 100_000
        shown = show([delta(stretch, offset) for offset in range(0, 800_000, 100_000)])
        written = "".join(
            decoded(event)["data"]["delta"] for event in shown if event.type.endswith(".delta")
        )
        assert written == "x" * LONGEST
        assert show([delta(8 * stretch)], after=shown[-1].id) == []

    def test_one_that_is_written_anew_by_another_process_begins_anew(self):
        other = message_id(LATER + 1)
        first, again = delta("hello"), delta("good day", message_id=other, ms=LATER + 2)
        uncut = show([first, again])
        assert [event.type for event in uncut] == [
            "reason.started",
            "output.message.started",
            "output.message.delta",
        ] * 2
        for seen in uncut[:3]:
            assert told(show([again], after=seen.id)) == told(uncut[3:])

    def test_nothing_is_shown_with_a_time_before_the_message(self):
        made = message_id(LATER)
        assert show([delta("a", message_id=made, ms=LATER - 1)]) == []
        shown = show([delta("a", message_id=made, ms=LATER - 1), delta("b", 1, message_id=made)])
        assert decoded(shown[-1])["data"]["accumulated"] == "ab"
        assert made_ms(made) == LATER


@settings(deadline=None)
@given(log=logs(), data=st.data())
def test_a_replay_that_was_cut_anywhere_goes_on_with_exactly_the_rest(
    log: LogWriter, data: st.DataObject
):
    uncut = show(log.events)
    assert [shown.id for shown in uncut] == sorted({shown.id for shown in uncut})

    kept = data.draw(st.integers(1, len(uncut)))
    after = uncut[kept - 1].id
    cursor = EVERRUNS.cursor(read_event_id(SESSION_ID, after))
    assert not cursor.live

    assert uncut[:kept] + show(log.events[cursor.sequence :], after) == uncut


@given(log=logs(), data=st.data())
def test_sequences_rise_and_each_is_a_place_to_go_on_from(log: LogWriter, data: st.DataObject):
    uncut = show(log.events)
    sequences = [shown.sequence for shown in uncut]
    assert sequences == sorted(set(sequences)), "unique and rising"

    kept = data.draw(st.integers(1, len(uncut)))
    place = EVERRUNS.place_at(sequences[kept - 1])
    rest, _ = EVERRUNS.begin(SESSION_ID, place).show(log.events[place.sequence :])

    assert uncut[:kept] + rest == uncut


async def commit(appends):
    return [None for _ in appends]


class SessionAt(LiveSession):
    """A live session at a time that the test decides."""

    now = 0

    @property
    def draft_ms(self) -> int:
        return self.now


class CutReader(RuleBasedStateMachine):
    """A session that goes on, and a reader that is cut at any event of any batch."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.log = LogWriter(now=LATER)
        self.draft: Draft | None = None
        self.shown: list[ShownEvent] = []
        self.connect()

    def connect(self) -> None:
        last = read_event_id(SESSION_ID, self.shown[-1].id) if self.shown else None
        self.cursor = EVERRUNS.cursor(last) if last else Cursor(0)
        self.showing = EVERRUNS.begin(SESSION_ID, last)

    @initialize()
    def begin(self) -> None:
        self.log.user("hi")

    # What happens in the session

    @rule(text=st.text(max_size=3))
    def user_says(self, text: str) -> None:
        self.log.user(text)

    @precondition(lambda self: self.answers)
    @rule(text=st.text(min_size=1, max_size=3))
    def model_thinks(self, text: str) -> None:
        self.written.reasoning.append(text)

    @precondition(lambda self: self.answers)
    @rule(text=st.text(min_size=1, max_size=3))
    def model_writes(self, text: str) -> None:
        self.written.text.append(text)

    @precondition(lambda self: self.answers)
    @rule(calls=st.integers(0, 2), more=st.text(max_size=2), goes_on=st.booleans())
    def model_has_answered(self, calls: int, more: str, goes_on: bool) -> None:
        self.written.text.append(more)
        called = [call_part(new_id("call")) for _ in range(calls)]
        self.store_message(called)
        if not calls and not goes_on:
            self.log.end()

    @precondition(lambda self: self.log.state.turn and self.log.state.turn.pending)
    @rule()
    def tool_runs(self) -> None:
        turn = self.log.state.turn
        call_id = next(iter(turn.pending))
        self.log.tool_result(call_id) if call_id in turn.started_calls else self.log.tool_call(
            call_id
        )

    @precondition(lambda self: self.log.state.turn)
    @rule(ending=st.sampled_from([EventType.SESSION_FAILED, EventType.SESSION_CANCELLED]))
    def turn_breaks_off(self, ending: EventType) -> None:
        if self.draft is not None and self.draft.text.length:
            self.store_message([])
        self.draft = None
        self.log.end(ending)

    @property
    def answers(self) -> bool:
        turn = self.log.state.turn
        return turn is not None and not turn.pending

    @property
    def written(self) -> Draft:
        if self.draft is None:
            turn, sequence = self.log.state.turn, self.log.state.sequence
            self.log.now += 1
            self.draft = Draft(message_id(self.log.now), turn.id, sequence)
        return self.draft

    def store_message(self, calls: list[Any]) -> None:
        draft, self.draft = self.written, None
        text = [{"type": "text", "text": str(draft.text)}] if draft.text.length else []
        message = self.log.message("agent", [*text, *calls])
        thinking = [ThinkingBlock(thinking=str(draft.reasoning))]
        update = {"id": draft.message_id, "thinking_blocks": thinking}
        message = message.model_copy(update=update)
        self.log.write(EventType.MESSAGE_CREATED, {"message": message.wire()})

    # The reader

    @rule(page=st.integers(1, 9), cut=st.none() | st.integers(0, 9))
    def read(self, page: int, cut: int | None) -> None:
        items = self.runner.run(self.next_items(page))
        shown, self.showing = self.showing.show(items)
        self.shown += shown[:cut]
        if cut is not None:
            self.connect()

    async def next_items(self, page: int) -> list[Event | Passing]:
        resource = Session(
            id=SESSION_ID,
            harness_id="h",
            organization_id="o",
            workspace_id="w",
            created_at=NOW,
            updated_at=NOW,
        )
        session = SessionAt(resource, self.log.events, GroupCommit(commit), FIRST_HOLDER)
        session.draft, session.now = self.draft, self.log.now
        events = session.events_after(self.cursor.sequence)
        complete = len(events) <= page
        items, self.cursor = read_session(session, self.cursor, events[:page], complete=complete)
        return items

    def teardown(self) -> None:
        self.read(len(self.log.events) + 1, None)
        self.runner.close()
        ids = [event.id for event in self.shown]
        assert ids == sorted(set(ids)), "each once, and in order"
        lasting = [event for event in self.shown if event.type not in PASSING]
        whole = show(self.log.events)
        assert told(lasting) == told(whole), "nothing lost, nothing doubled"
        assert [decoded(event)["sequence"] for event in lasting] == [
            decoded(event)["sequence"] for event in whole
        ]
        self.check_texts()

    def check_texts(self) -> None:
        texts: dict[str, str] = {}
        for kind, data in told(self.shown):
            text, _, stage = kind.rpartition(".")
            match stage:
                case "started" if kind in PASSING:
                    assert text not in texts, "begun once"
                    texts[text] = ""
                case "delta":
                    texts[text] += data["delta"]
                    assert texts[text] == data["accumulated"]
                case "completed" if text == "output.message":
                    message = data["message"]
                    written = "".join(part.get("text", "") for part in message["content"])
                    assert texts.get(text, written) == written, "deltas alone rebuild the text"
                    thinking = message.get("thinking") or ""
                    assert thinking.startswith(texts.get("reason.thinking", ""))
                    texts.clear()
                case "idled":
                    texts.clear()


CutReader.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestCutReader = CutReader.TestCase
