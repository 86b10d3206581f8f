"""What the SDK's face shows of a message while it is written."""

import everruns_sdk

from everruns.api.sdk.event_types import SdkEvent
from everruns.api.sdk.events import FINENESS, LONGEST
from everruns.domain.events import EventType
from everruns.ids import GENERIC_HARNESS_ID, made_ms
from tests.shown_events import LATER, decoded, delta, message_id, show, thought, told, writer


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
