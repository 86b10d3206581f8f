"""What commands print, on a terminal and into a pipe."""

import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Column
from rich.text import Text

from everruns.commands import output
from everruns.commands.output import (
    Output,
    harmless,
    json_of,
    print_in_any_encoding,
    print_json,
    print_page,
    print_table,
)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch):
    """Print the same table to a console; return what arrives there."""

    def show(**console: object) -> str:
        file = io.StringIO()
        monkeypatch.setattr(output, "out", Console(file=file, **console))  # pyright: ignore
        columns = [Column("Id", no_wrap=True), "Title", Column("Tokens", justify="right")]
        print_table(columns, [["s1", "[bold]日本\x1b[2J", Text("12", "red")], ["s22", "b", "7"]])
        return file.getvalue()

    return show


def test_a_pipe_gets_aligned_text_without_colours_or_boxes(shown):
    assert shown().splitlines() == [
        "Id   Title           Tokens",
        "s1   [bold]日本␛[2J  12",
        "s22  b               7",
    ]


def test_a_page_is_printed_item_by_item(capsys: pytest.CaptureFixture[str]):
    page = {"data": [{"id": "s1"}, {"id": "s22"}], "total": 5}

    print_page(page, Output.TABLE, ["Id"], lambda item: [item["id"]])

    printed = capsys.readouterr()
    assert printed.out.splitlines() == ["Id", "s1", "s22"]
    assert printed.err == "3 more; --limit shows them.\n"


def test_a_pipe_gets_everything_however_narrow_it_is(shown):
    assert shown(width=5) == shown(width=500)


def test_a_terminal_gets_colours(shown):
    assert "\x1b[31m    12" in shown(force_terminal=True, width=80, color_system="standard")


def test_a_terminal_that_wants_no_colours_gets_none(shown, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NO_COLOR", "1")

    assert "\x1b[31m" not in shown(force_terminal=True, width=80)


@given(st.text())
def test_nothing_that_is_printed_moves_the_cursor_or_ends_the_line(text: str):
    safe = harmless(text)

    assert all(letter.isprintable() or letter == "\u200d" for letter in safe)
    assert len(safe) == len(text)


def test_what_a_terminal_shows_stays_as_it_is():
    assert harmless("naïve 日本 👩‍👩‍👧") == "naïve 日本 👩‍👩‍👧"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("\x1b[31mred", "␛[31mred"),
        ("two\nlines\tand\u2028three", "two lines and three"),
        ("\u202eright to left", "�right to left"),
        ("\x9b2J \x7f \ud800", "�2J ␡ �"),
    ],
)
def test_what_a_terminal_obeys_is_shown_as_a_sign(text: str, safe: str):
    assert harmless(text) == safe


@given(st.text(st.characters()) | st.just("\ud800\x9b\u202e"))
def test_json_is_the_same_value_and_can_be_printed(text: str):
    printed = json_of({"text": text})

    assert json.loads(printed) == {"text": text}
    assert not any(letter in printed for letter in "\x1b\x9b\x7f\u202e\u2066")
    printed.encode()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_the_encoding_of_the_output_lacks_is_printed_escaped(
    encoding: str, monkeypatch: pytest.MonkeyPatch
):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    value = {"title": "日本 é \U0001f600"}

    print_in_any_encoding()
    print_json(value)

    sys.stdout.flush()
    assert json.loads(written.getvalue().decode(encoding)) == value
