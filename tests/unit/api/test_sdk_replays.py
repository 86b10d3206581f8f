"""A reader of the SDK's face that is cut anywhere gets exactly the rest."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from everruns.api.http.vocabulary import ShownEvent
from everruns.api.sdk.events import EVERRUNS
from everruns.domain.events import Event, EventType, Passing
from everruns.domain.messages import ThinkingBlock
from everruns.domain.sessions import Session
from everruns.ids import new_id, read_event_id
from everruns.registry.group_commit import GroupCommit
from everruns.runtime.feed.cursor import Cursor
from everruns.runtime.feed.draft import Draft
from everruns.runtime.feed.reading import read_session
from everruns.runtime.session import LiveSession
from everruns.storage.logs import FIRST_HOLDER
from tests.logs import SESSION_ID, LogWriter, call_part, logs
from tests.shown_events import LATER, decoded, message_id, show, told

NOW = "2026-01-01T00:00:00.000Z"
PASSING = {"reason.started"} | {
    f"{text}.{stage}"
    for text in ("reason.thinking", "output.message")
    for stage in ("started", "delta")
}


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
