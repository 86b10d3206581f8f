"""``everruns sql``: queries of all sessions."""

import sys
from typing import Annotated, Any

import typer

from everruns.commands.answers import Form, FormOption, column, note_truncated, print_csv
from everruns.commands.finding import DataDirOption, KeyFileOption, ServerOption
from everruns.commands.output import json_of, print_json, print_table
from everruns.commands.server import Server, with_server
from everruns.domain.queries import LONGEST_QUERY
from everruns.errors import InvalidRequest

PATH = "/v1/sql"


def sql(
    query: Annotated[str, typer.Argument(help="One SELECT, or - to read it from standard input.")],
    output: FormOption = Form.TABLE,
    server: ServerOption = None,
    key_file: KeyFileOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Query all sessions in SQL.

    The views are sessions, messages, turns, model_calls, tool_calls, usage_daily and events.
    `DESCRIBE turns` shows the columns of one.
    """
    body = {"query": _read() if query == "-" else query}

    async def ask(api: Server) -> None:
        if output is Form.CSV:
            await print_csv(api, "POST", PATH, {**body, "format": "csv"})
            return
        answer = await api.call("POST", PATH, body)
        if output is Form.JSON:
            print_json(answer)
        else:
            _print_rows(answer)

    with_server(ask, server, key_file, data_dir)


def _read() -> str:
    """Return the query that standard input has.

    Raises:
        InvalidRequest: It is too long, or not text.
    """
    content = sys.stdin.buffer.read(LONGEST_QUERY + 1)
    if len(content) > LONGEST_QUERY:
        raise InvalidRequest("The query is longer than 64 KB.")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("The query is not text in UTF-8.") from None


def _print_rows(answer: dict[str, Any]) -> None:
    columns = [column(one["name"], is_number=_is_number(one["type"])) for one in answer["columns"]]
    print_table(columns, [[_cell(value) for value in row] for row in answer["rows"]])
    note_truncated(answer["truncated"])


def _is_number(kind: str) -> bool:
    return kind.endswith("INT") or kind.startswith(("DECIMAL", "INTEGER", "DOUBLE", "FLOAT"))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json_of(value)
