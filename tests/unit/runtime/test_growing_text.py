"""The draft's text: read from any offset while it grows."""

from hypothesis import given
from hypothesis import strategies as st

from everruns.runtime.feed.draft import Draft, GrowingText


@given(stretches=st.lists(st.text(min_size=1)), data=st.data())
def test_what_follows_an_offset_is_what_a_string_would_say(stretches: list[str], data):
    text = GrowingText()
    whole = ""
    for stretch in stretches:
        text.append(stretch)
        whole += stretch
        offset = data.draw(st.integers(0, len(whole) + 2))
        assert text.since(offset, 7) == whole[offset : offset + 7]
        if data.draw(st.booleans()):
            assert str(text) == whole
    assert (text.length, str(text), text.since(0, len(whole))) == (len(whole), whole, whole)


def test_offsets_count_code_points():
    text = GrowingText()
    text.append("a😀")
    text.append("é")
    assert (text.length, text.since(1, 9), text.since(2, 9)) == (3, "😀é", "é")


def test_a_draft_is_empty_until_something_can_be_shown():
    draft = Draft("message_1", "turn_1", 1)
    assert draft.is_empty
    draft.reasoning.append("hm")
    assert not draft.is_empty
