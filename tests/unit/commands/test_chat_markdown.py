"""Markdown as it is shown line by line."""

from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from everruns.commands.chat.markdown import Markdown, rows_of


def styles(text: Text, words: str) -> set[str]:
    start = text.plain.index(words)
    spans = [span for span in text.spans if span.start <= start < span.end]
    return {str(span.style) for span in spans} | {str(text.style)} - {""}


def test_marks_give_a_style_and_stay() -> None:
    shown = Markdown().take("a **bold** and *soft* word, `code`, https://example.com/x.")

    assert shown.plain == "a **bold** and *soft* word, `code`, https://example.com/x."
    assert styles(shown, "bold") == {"bold"}
    assert styles(shown, "soft") == {"italic"}
    assert styles(shown, "code") == {"cyan"}
    assert styles(shown, "example") == {"underline"}
    assert styles(shown, "word") == set()


def test_products_and_powers_are_no_marks() -> None:
    shown = Markdown().take("2 * 3 ** 4 * 5 and snake_case_names")

    assert shown.spans == []


def test_lines_between_fences_are_code_that_is_not_broken() -> None:
    markdown = Markdown()

    taken = [markdown.take(line) for line in ("```python", "x = '**no**'", "```", "**yes**")]

    assert [str(line.style) for line in taken] == ["dim", "cyan", "dim", ""]
    assert taken[1].spans == []
    assert rows_of(taken[1], 5) == [taken[1]]
    assert styles(taken[3], "yes") == {"bold"}


def test_rows_of_an_entry_begin_below_its_text() -> None:
    rows = rows_of(Markdown().take("- one two three four"), 12)

    assert [row.plain.rstrip() for row in rows] == ["- one two", "  three four"]


def test_an_address_that_is_wider_than_the_terminal_is_not_broken() -> None:
    line = Text("Go to https://example.com/authorize?state=0123456789 now")

    assert rows_of(line, 30) == [line]


@given(st.text(alphabet="ab*`# -~1.\u4e2d🎉", max_size=80), st.integers(4, 40))
def test_rows_fit_and_lose_nothing_but_blanks(line: str, width: int) -> None:
    rows = rows_of(Markdown().preview(line), width)

    assert "".join("".join(row.plain for row in rows).split()) == "".join(line.split())
    assert all(row.no_wrap or row.cell_len <= width for row in rows)
