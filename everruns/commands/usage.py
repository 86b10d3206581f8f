"""``everruns usage``: tokens, money, turns and tool calls."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from everruns.commands.answers import Form, FormOption, column, note_truncated, print_csv
from everruns.commands.finding import DataDirOption, KeyFileOption, ServerOption
from everruns.commands.naming import find_agent
from everruns.commands.output import print_json, print_table
from everruns.commands.server import Server, with_server
from everruns.commands.times import FORMS, time_of
from everruns.ids import format_time, is_id

PATH = "/v1/usage"


class Dimension(StrEnum):
    """By what usage can be divided; as ``everruns.archive.usage.Dimension``."""

    DAY = "day"
    HOUR = "hour"
    AGENT = "agent"
    SESSION = "session"
    MODEL = "model"
    PROVIDER = "provider"
    END_USER = "end_user"


def usage(
    by: Annotated[
        list[Dimension] | None,
        typer.Option("--by", help="By what it is divided; may be repeated. (default: day)"),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help=f"Since then: {FORMS}. (default: the last 30 days)"),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Before that time, in the same forms. (default: now)")
    ] = None,
    agent: Annotated[
        str | None, typer.Option(help="Only of the agent with this id or name.")
    ] = None,
    end_user: Annotated[str | None, typer.Option(help="Only of this end user.")] = None,
    model: Annotated[str | None, typer.Option(help="Only of this model.")] = None,
    output: FormOption = Form.TABLE,
    server: ServerOption = None,
    key_file: KeyFileOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Report tokens, money, turns and tool calls of the last 30 days.

    Days and hours are those of UTC. A cost is that of calls whose price is known.
    """
    query: dict[str, Any] = {
        "group_by": [str(one) for one in by or [Dimension.DAY]],
        "from": _time("--since", since),
        "to": _time("--until", until),
        "end_user": end_user,
        "model": model,
    }

    async def ask(api: Server) -> None:
        if agent is not None:
            query["agent_id"] = await _agent_id(api, agent)
        if output is Form.CSV:
            await print_csv(api, "GET", PATH, query={**query, "format": "csv"})
            return
        answer = await api.call("GET", PATH, query=query)
        if output is Form.JSON:
            print_json(answer)
        else:
            _print_usage(answer)

    with_server(ask, server, key_file, data_dir)


async def _agent_id(api: Server, given: str) -> str:
    """Return the id of an agent that was named; by its id it may be one that is deleted.

    Raises:
        NotFound: No agent has this name.
    """
    return given if is_id(given, "agent") else (await find_agent(api, given))["id"]


def _time(option: str, given: str | None) -> str | None:
    return None if given is None else format_time(time_of(option, given))


SUMS = {
    "turns": "Turns",
    "failed_turns": "Failed",
    "turn_p95_ms": "p95 ms",
    "model_calls": "Calls",
    "input_tokens": "Input",
    "output_tokens": "Output",
    "cost_usd": "USD",
    "unpriced_calls": "Unpriced",
    "tool_calls": "Tools",
    "failed_tool_calls": "Failed",
}
"""The sums that the table has, with their headings."""


def _print_usage(answer: dict[str, Any]) -> None:
    data: list[dict[str, Any]] = answer["data"]
    total: dict[str, Any] = answer["total"]
    named = [name for row in data[:1] for name in row if name not in total]
    shown = [name for name in SUMS if total[name] is not None]
    columns = [*named, *(column(SUMS[name], is_number=True) for name in shown)]
    rows = [[_cell(row[name]) for name in named] + _sums(row, shown) for row in data]
    label = ["total", *[""] * (len(named) - 1)][: len(named)]
    print_table(columns, [*rows, [*label, *_sums(total, shown)]])
    note_truncated(answer["truncated"])


def _sums(row: Mapping[str, Any], shown: list[str]) -> list[str]:
    return [_amount(name, row[name]) for name in shown]


def _amount(name: str, value: float | None) -> str:
    if value is None:
        return "?" if name == "cost_usd" else ""
    return f"{value:,.4f}" if name == "cost_usd" else f"{value:,.0f}"


def _cell(value: str | None) -> str:
    return "" if value is None else value
