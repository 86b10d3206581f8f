"""``everruns providers`` and ``everruns models``: what a server can ask."""

from typing import Annotated, Any

import typer
from rich.table import Column

from everruns.commands.figures import UNKNOWN, count, money
from everruns.commands.finding import DataDirOption, KeyFileOption, ServerOption
from everruns.commands.output import (
    Cell,
    LimitOption,
    Output,
    OutputOption,
    print_json,
    print_page,
    print_table,
)
from everruns.commands.server import Server, with_server

Item = dict[str, Any]

providers = typer.Typer(help="The providers of models of a server.", no_args_is_help=True)


@providers.command("list")
def list_providers(
    output: OutputOption = Output.TABLE,
    server: ServerOption = None,
    key_file: KeyFileOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List the providers; their keys are never shown."""

    async def fetch(api: Server) -> Item:
        return await api.list("/v1/llm-providers", 1000)

    page = with_server(fetch, server, key_file, data_dir)
    if output is Output.JSON:
        print_json(page)
        return
    columns = ["Name", "Type", "Status", "Default", "Key", "Address", Column("Id", no_wrap=True)]
    rows: list[list[Cell]] = [
        [
            provider["name"],
            provider["provider_type"],
            provider["status"],
            "default" if provider.get("is_default") else "",
            "set" if provider.get("api_key_set") else UNKNOWN,
            provider.get("base_url") or UNKNOWN,
            provider["id"],
        ]
        for provider in page["data"]
    ]
    print_table(columns, rows)


def models(
    search: Annotated[
        str | None, typer.Argument(help="Only models whose name contains this.")
    ] = None,
    limit: LimitOption = 200,
    output: OutputOption = Output.TABLE,
    server: ServerOption = None,
    key_file: KeyFileOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List the models of all active providers."""

    async def fetch(api: Server) -> Item:
        return await api.list("/v1/models", limit, {"search": search})

    page = with_server(fetch, server, key_file, data_dir)
    columns = [Column("Model", no_wrap=True), "Context", "Input per 1M", "Output per 1M", "Default"]
    print_page(page, output, columns, _model_row)


def _model_row(model: Item) -> list[Cell]:
    profile: Item = model.get("profile") or {}
    limits: Item = profile.get("limits") or {}
    cost: Item = profile.get("cost") or {}
    return [
        f"{model['provider_name']}/{model['model_id']}",
        count(limits.get("context")),
        money(cost.get("input")),
        money(cost.get("output")),
        "default" if model["is_default"] else "",
    ]
