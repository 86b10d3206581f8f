"""How commands print: tables for people, JSON for programs.

On a terminal tables have colours and fit its width. Where the output is piped, they are plain text
and nothing is cut. What a server, model or tool says is data: it is printed without the characters
that a terminal obeys.
"""

import codecs
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

out = Console()
err = Console(stderr=True)

# They join and part letters of many scripts, and emoji. Unlike other characters without a shape of
# their own they cannot reorder a line.
_JOINERS = "\u200c\u200d"
# Control characters that JSON allows in strings, separators of lines, marks that reorder a line,
# characters that nobody sees, and halves of characters, which cannot be printed.
_UNSAFE_IN_JSON = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)


class Output(StrEnum):
    """The form of what a command prints."""

    TABLE = "table"
    JSON = "json"


OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="table, or json as the API answers.")
]

LimitOption = Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of rows.")]

Cell = str | Text


def harmless(text: str) -> str:
    """Return a text on one line, with visible signs for characters that a terminal obeys."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in _JOINERS else _sign(letter) for letter in text
    )


def _sign(letter: str) -> str:
    code = ord(letter)
    if letter.isspace() and code != 0x1F:
        return " "
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"


def json_of(value: Any, indent: int | None = None) -> str:
    """Return JSON that is safe to print on a terminal and has every character as it is or escaped.

    Args:
        value: The value.
        indent: Spaces for each level; without it, all is on one line.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _UNSAFE_IN_JSON.sub(lambda found: json.dumps(found[0])[1:-1], text)


def print_in_any_encoding() -> None:
    """Let what the encoding of the output does not have be printed as JSON escapes it.

    Otherwise the first such character would end the command, for example in the locale ``C``.
    """
    codecs.register_error("escape", _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="escape")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def print_json(value: Any) -> None:
    """Print a value as JSON, on several lines."""
    print_line(json_of(value, indent=2))


def print_line(line: Cell) -> None:
    """Print one line as it is, however wide the terminal is."""
    out.print(line, markup=False, highlight=False, soft_wrap=True)


def print_table(columns: Sequence[Column | str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print rows under headings.

    Args:
        columns: The headings, with what rich is to know of their columns.
        rows: A cell for each column; its text may be anybody's.
    """
    if out.is_terminal:
        out.print(table_of(columns, rows))
        return
    for line in _plain_lines(columns, rows):
        print_line(line)


def table_of(columns: Sequence[Column | str], rows: Iterable[Sequence[Cell]]) -> Table:
    """Return a table for a terminal."""
    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for row in rows:
        table.add_row(*map(_safe, row))
    return table


def _safe(cell: Cell) -> Text:
    if isinstance(cell, str):
        return Text(harmless(cell))
    return Text(harmless(cell.plain), style=cell.style)


def _plain_lines(columns: Sequence[Column | str], rows: Iterable[Sequence[Cell]]) -> Iterable[str]:
    """Yield lines whose columns are aligned, with two spaces between them."""
    names = [column if isinstance(column, str) else str(column.header) for column in columns]
    lines = [names, *([_safe(cell).plain for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (
            cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True)
        )
        yield "  ".join(padded).rstrip()


def print_fields(fields: Mapping[str, str | None]) -> None:
    """Print names and values, one pair a line; those without a value are left out."""
    given = {name: value for name, value in fields.items() if value}
    width = max(map(len, given))
    for name, value in given.items():
        print_line(f"{name:<{width}}  {harmless(value)}")


def print_page(
    page: Mapping[str, Any],
    output: Output,
    columns: Sequence[Column | str],
    row_of: Callable[[dict[str, Any]], Sequence[Cell]],
) -> None:
    """Print a page of a list, and how many items the limit leaves out.

    Args:
        page: The page, as the API answers.
        output: The form; JSON is the page itself.
        columns: See ``print_table``.
        row_of: Returns an item's cells.
    """
    if output is Output.JSON:
        print_json(page)
        return
    print_table(columns, [row_of(item) for item in page["data"]])
    _note_rest(page)


def _note_rest(page: Mapping[str, Any]) -> None:
    left = page["total"] - len(page["data"])
    if left > 0:
        err.print(f"{left:,} more; --limit shows them.", highlight=False)
