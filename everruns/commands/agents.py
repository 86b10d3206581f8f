"""``everruns agents``: the agents of a server."""

from typing import Annotated, Any

import typer
from rich.table import Column

from everruns.commands.figures import UNKNOWN, ago, local
from everruns.commands.finding import DataDirOption, KeyFileOption, ServerOption
from everruns.commands.naming import find_agent
from everruns.commands.output import (
    Cell,
    LimitOption,
    Output,
    OutputOption,
    harmless,
    print_fields,
    print_json,
    print_line,
    print_page,
)
from everruns.commands.server import Server, with_server

Item = dict[str, Any]

agents = typer.Typer(help="The agents of a server.", no_args_is_help=True)


@agents.command("list")
def list_agents(
    limit: LimitOption = 100,
    output: OutputOption = Output.TABLE,
    server: ServerOption = None,
    key_file: KeyFileOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List the agents, newest first."""

    async def fetch(api: Server) -> Item:
        return await api.list("/v1/agents", limit)

    page = with_server(fetch, server, key_file, data_dir)
    columns = [Column("Id", no_wrap=True), "Name", "Model", "Capabilities", "Updated"]
    print_page(page, output, columns, _row)


def _row(agent: Item) -> list[Cell]:
    return [
        agent["id"],
        agent["name"],
        agent.get("default_model_id") or "default",
        ", ".join(one["ref"] for one in agent["capabilities"]) or UNKNOWN,
        ago(agent["updated_at"]),
    ]


@agents.command("show")
def show_agent(
    agent: Annotated[str, typer.Argument(help="Id of an agent, or the name of one.")],
    output: OutputOption = Output.TABLE,
    server: ServerOption = None,
    key_file: KeyFileOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show an agent with its instructions."""

    async def fetch(api: Server) -> Item:
        return await find_agent(api, agent)

    found = with_server(fetch, server, key_file, data_dir)
    if output is Output.JSON:
        print_json(found)
        return
    print_fields(
        {
            "Id": found["id"],
            "Name": found["name"],
            "Description": found.get("description"),
            "Model": found.get("default_model_id") or "default",
            "Capabilities": ", ".join(one["ref"] for one in found["capabilities"]),
            "Tools": ", ".join(tool["name"] for tool in found["tools"]),
            "MCP servers": ", ".join(found["mcp_servers"]),
            "Tags": ", ".join(found["tags"]),
            "Created": local(found["created_at"]),
            "Updated": local(found["updated_at"]),
        }
    )
    for line in found["system_prompt"].splitlines():
        print_line(f"  {harmless(line)}")
