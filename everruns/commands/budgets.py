"""``everruns budgets``: the budgets of a server."""

from typing import Annotated, Any

import typer
from rich.table import Column

from everruns.commands.figures import UNKNOWN, count, local, money
from everruns.commands.finding import DataDirOption, KeyFileOption, ServerOption
from everruns.commands.naming import checked_id, find_agent
from everruns.commands.output import Cell, LimitOption, Output, OutputOption, print_page
from everruns.commands.server import Server, with_server
from everruns.errors import InvalidRequest

Item = dict[str, Any]

budgets = typer.Typer(help="The budgets of a server.", no_args_is_help=True)


@budgets.command("list")
def list_budgets(
    agent: Annotated[
        str | None, typer.Option(help="Only of the agent with this id or name.")
    ] = None,
    session: Annotated[str | None, typer.Option(help="Only of the session with this id.")] = None,
    limit: LimitOption = 100,
    output: OutputOption = Output.TABLE,
    server: ServerOption = None,
    key_file: KeyFileOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List the active budgets, newest first."""
    if agent is not None and session is not None:
        raise InvalidRequest("Give either --agent or --session.")

    async def fetch(api: Server) -> Item:
        subject_id = checked_id(session, "session") if session is not None else None
        if agent is not None:
            subject_id = (await find_agent(api, agent))["id"]
        return await api.list("/v1/budgets", limit, {"subject_id": subject_id})

    page = with_server(fetch, server, key_file, data_dir)
    columns = [
        Column("Id", no_wrap=True),
        Column("Of", no_wrap=True),
        "Status",
        Column("Left", justify="right"),
        Column("Limit", justify="right"),
        "Renews",
    ]
    print_page(page, output, columns, _row)


def _row(budget: Item) -> list[Cell]:
    renews_at = budget.get("renews_at")
    return [
        budget["id"],
        budget["subject_id"],
        budget["status"],
        _amount(budget, "balance"),
        _amount(budget, "limit"),
        local(renews_at) if renews_at else UNKNOWN,
    ]


def _amount(budget: Item, name: str) -> str:
    amount: float = budget[name]
    return money(amount) if budget["currency"] == "usd" else f"{count(amount)} tokens"
