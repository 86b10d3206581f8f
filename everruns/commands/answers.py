"""Answers of queries, as commands print them."""

import sys
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.table import Column

from everruns.commands.output import err
from everruns.commands.server import Server


class Form(StrEnum):
    """The form of what a command prints."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


FormOption = Annotated[
    Form, typer.Option("--output", "-o", help="table, json as the API answers, or csv.")
]


async def print_csv(
    api: Server,
    method: str,
    path: str,
    body: Any = None,
    query: Mapping[str, Any] | None = None,
) -> None:
    """Print an answer in CSV as it is, for a program or a file."""
    async with api.stream(method, path, body, query=query) as answer:
        async for piece in answer.aiter_bytes():
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        note_truncated(answer.headers.get("everruns-truncated") == "true")


def note_truncated(is_truncated: bool) -> None:
    """Say that rows are missing, where they are."""
    if is_truncated:
        err.print("There are more rows than an answer can have.", highlight=False)


def column(name: str, *, is_number: bool) -> Column:
    """Return a column of a table."""
    return Column(name, justify="right" if is_number else "left")
