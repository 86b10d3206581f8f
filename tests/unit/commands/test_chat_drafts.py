"""A message that is being written, taken apart into lines."""

from hypothesis import given
from hypothesis import strategies as st

from everruns.commands.chat.drafts import MAX_LINE_CHARACTERS, Draft

TEXTS = st.text(alphabet="ab \n🎉é", max_size=60)


def test_a_line_is_complete_with_its_line_feed() -> None:
    draft = Draft("message_1")

    assert draft.add(0, "One\nTw") == ["One"]
    assert draft.tail == "Tw"
    assert draft.add(6, "o\n") == ["Two"]


def test_the_finished_message_brings_what_was_not_shown() -> None:
    draft = Draft("message_1")
    draft.add(0, "One\nTw")

    assert draft.finish("One\nTwo\nThree") == ["Two", "Three"]


def test_a_message_that_comes_again_from_its_beginning_shows_nothing_twice() -> None:
    draft = Draft("message_1")
    draft.add(0, "One\nTw")

    assert draft.add(0, "One\n") == []
    assert draft.add(4, "Two\nT") == ["Two"]
    assert draft.tail == "T"


def test_a_piece_behind_a_gap_waits_for_the_finished_message() -> None:
    draft = Draft("message_1")
    draft.add(0, "One")

    assert draft.add(9, "late\n") == []
    assert draft.finish("One and\nthe late\n") == ["One and", "the late"]


def test_a_line_without_an_end_is_cut_between_words() -> None:
    text = "word " * MAX_LINE_CHARACTERS
    draft = Draft("message_1")

    pieces = draft.add(0, text)

    assert "".join(pieces) + draft.tail == text
    assert all(len(piece) <= MAX_LINE_CHARACTERS for piece in pieces)
    assert all(piece.endswith(" ") for piece in pieces)
    assert len(draft.tail) <= MAX_LINE_CHARACTERS


@given(text=TEXTS, data=st.data())
def test_whatever_pieces_arrive_and_arrive_again_the_lines_are_those_of_the_text(
    text: str, data: st.DataObject
) -> None:
    draft = Draft("message_1")
    lines: list[str] = []
    reached = 0
    for _ in range(data.draw(st.integers(0, 6))):
        # A new connection begins anywhere before, with what was written until then.
        start = data.draw(st.integers(0, reached))
        end = data.draw(st.integers(start, len(text)))
        lines += draft.add(start, text[start:end])
        reached = max(reached, end)
    lines += draft.finish(text)

    assert lines == text.removesuffix("\n").split("\n") if text else not lines
