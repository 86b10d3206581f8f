"""The transcript is well formed, whatever the history holds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from everruns.domain.messages import ImagePart, Message, TextPart, ToolCallPart, ToolResultPart
from everruns.domain.transcript import BLANK, IMAGE_LEFT_OUT, ORPHAN_ERROR, build_transcript
from tests.logs import LogWriter, logs

NOW = "2026-01-01T00:00:00.000Z"
CALL_IDS = [f"call_{number}" for number in range(6)]


def message(role: str, *content) -> Message:
    return Message(
        id="message_1", session_id="session_1", role=role, content=list(content), created_at=NOW
    )


def call(call_id: str) -> ToolCallPart:
    return ToolCallPart(id=call_id, name="tool")


def result(call_id: str, value: object = "ok") -> ToolResultPart:
    return ToolResultPart(tool_call_id=call_id, result=value)


TEXT = st.text(max_size=5).filter(str.strip).map(lambda text: TextPart(text=text))
MESSAGES = st.one_of(
    st.lists(TEXT, max_size=2).map(lambda parts: message("user", *parts)),
    st.tuples(
        st.lists(TEXT, max_size=1), st.lists(st.sampled_from(CALL_IDS).map(call), max_size=3)
    ).map(lambda both: message("agent", *both[0], *both[1])),
    st.sampled_from(CALL_IDS).map(lambda call_id: message("tool_result", result(call_id))),
)


def assert_well_formed(transcript: list[Message]) -> None:
    assert not transcript or transcript[0].role in {"user", "system"}
    expected: list[str] = []
    ids: list[str] = []
    for said in transcript:
        assert said.content
        ids += [asked.id for asked in said.tool_calls]
        if said.role == "tool_result":
            assert [part.tool_call_id for part in said.content] == [expected.pop(0)]
        else:
            assert not expected, "a call has no result"
            expected = [asked.id for asked in said.tool_calls]
    assert not expected, "the last call has no result"
    assert len(set(ids)) == len(ids), "two calls have one id"


@settings(max_examples=150, deadline=None)
@given(history=st.lists(MESSAGES, max_size=12), unread=st.lists(MESSAGES.filter(bool), max_size=2))
def test_every_call_has_one_result_and_every_result_a_call(history, unread):
    unread = [said for said in unread if said.role == "user"]
    assert_well_formed(build_transcript(history, unread))


@settings(max_examples=50, deadline=None)
@given(log=logs())
def test_the_transcript_of_any_log_is_well_formed(log: LogWriter):
    assert_well_formed(build_transcript(log.state.history, log.state.unread))


@settings(max_examples=100, deadline=None)
@given(history=st.lists(MESSAGES, max_size=12))
def test_nothing_that_was_said_is_changed_or_reordered(history):
    sent = build_transcript([message("user", TextPart(text="first")), *history], [])
    spoken = [said for said in history if said.role != "tool_result" and said.content]
    # Calls that share an id with an earlier one get an id of their own.
    assert [
        (said.role, said.text, [asked.name for asked in said.tool_calls])
        for said in sent[1:]
        if said.role != "tool_result"
    ] == [(said.role, said.text, [asked.name for asked in said.tool_calls]) for said in spoken]


def test_blank_messages_are_not_sent_as_they_are():
    blank = TextPart(text=" \n")
    sent = build_transcript([message("user", blank), message("agent", blank)], [])
    assert [(said.role, said.text) for said in sent] == [("user", BLANK)]


def test_images_that_the_model_refused_become_a_note():
    image = ImagePart(base64="aGk=", media_type="image/png")
    (sent,) = build_transcript([message("user", TextPart(text="look"), image)], [], {"message_1"})
    assert sent.text == "look" + IMAGE_LEFT_OUT
    assert not any(isinstance(part, ImagePart) for part in sent.content)


def test_images_in_results_that_the_model_refused_become_a_note():
    image = ImagePart(base64="aGk=", media_type="image/png")
    drawn = ToolResultPart(tool_call_id="a", parts=[TextPart(text="A chart:"), image])
    history = [message("user", TextPart(text="go")), message("agent", call("a"))]

    *_, sent = build_transcript([*history, message("tool_result", drawn)], [], {"message_1"})

    (shown,) = sent.content
    assert shown.parts == [TextPart(text="A chart:"), TextPart(text=IMAGE_LEFT_OUT)]


def test_a_call_without_a_result_gets_an_error_the_model_can_read():
    history = [message("user", TextPart(text="go")), message("agent", call("a"), call("b"))]
    sent = build_transcript([*history, message("tool_result", result("b"))], [])
    assert [part.error for said in sent[2:] for part in said.content] == [ORPHAN_ERROR, None]


def test_results_stand_in_call_order_whatever_the_order_they_came_in():
    sent = build_transcript(
        [
            message("user", TextPart(text="go")),
            message("agent", call("a"), call("b")),
            message("tool_result", result("b", "second")),
            message("tool_result", result("a", "first")),
        ],
        [],
    )
    assert [part.result for said in sent[2:] for part in said.content] == ["first", "second"]


def test_calls_that_share_an_id_get_their_results_in_order():
    history = [
        message("user", TextPart(text="go")),
        message("agent", call("a"), call("a")),
        message("tool_result", result("a", "first")),
        message("tool_result", result("a", "second")),
        message("agent", call("a")),
    ]
    sent = build_transcript(history, [])
    returned = [part for said in sent if said.role == "tool_result" for part in said.content]
    assert [asked.id for said in sent for asked in said.tool_calls] == ["a", "a_2", "a_3"]
    assert [part.tool_call_id for part in returned] == ["a", "a_2", "a_3"]
    assert [part.result or part.error for part in returned] == ["first", "second", ORPHAN_ERROR]


def test_of_two_results_of_one_call_the_first_counts():
    history = [
        message("user", TextPart(text="go")),
        message("agent", call("a")),
        message("tool_result", result("a", "first")),
        message("tool_result", result("a", "second")),
    ]
    (*_, returned) = build_transcript(history, [])
    assert returned.content == [result("a", "first")]


def test_calls_that_share_the_longest_id_get_ids_that_are_no_longer():
    longest = "é" * 128
    history = [message("user", TextPart(text="go")), message("agent", call(longest), call(longest))]
    sent = build_transcript(history, [])
    assert [asked.id for asked in sent[1].tool_calls] == [longest, "é" * 60 + "_2"]
