"""``everruns sessions``: the sessions of a server."""

from typing import Annotated, Any

import typer
from rich.table import Column

from everruns.commands.figures import UNKNOWN, ago, count, local, money
from everruns.commands.finding import DataDirOption, KeyFileOption, ServerOption
from everruns.commands.naming import checked_id, find_agent
from everruns.commands.output import (
    Cell,
    LimitOption,
    Output,
    OutputOption,
    err,
    harmless,
    print_fields,
    print_json,
    print_line,
    print_page,
)
from everruns.commands.server import Server, with_server

Item = dict[str, Any]

sessions = typer.Typer(help="The sessions of a server.", no_args_is_help=True)


@sessions.command("list")
def list_sessions(
    agent: Annotated[
        str | None, typer.Option(help="Only of the agent with this id or name.")
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(help="Only these: started, active, idle or waitingfortoolresults."),
    ] = None,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Only those that wait for somebody.")
    ] = False,
    limit: LimitOption = 20,
    output: OutputOption = Output.TABLE,
    server: ServerOption = None,
    key_file: KeyFileOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List the sessions, latest activity first."""

    async def fetch(api: Server) -> Item:
        agent_id = (await find_agent(api, agent))["id"] if agent is not None else None
        query = {
            "agent_id": agent_id,
            "status": status,
            "waiting": "true" if waiting else None,
            "sort": "updated",
        }
        return await api.list("/v1/sessions", limit, query)

    page = with_server(fetch, server, key_file, data_dir)
    columns = [
        Column("Id", no_wrap=True),
        "Status",
        Column("Title", ratio=1, no_wrap=True, overflow="ellipsis"),
        Column("Tokens", justify="right"),
        Column("Cost", justify="right"),
        Column("Updated", no_wrap=True),
    ]
    print_page(page, output, columns, _row)


def _row(session: Item) -> list[Cell]:
    return [
        session["id"],
        _status(session),
        session.get("title") or session.get("preview") or UNKNOWN,
        _tokens(session),
        money(_usage(session).get("estimated_cost_usd")),
        ago(session["updated_at"]),
    ]


def _status(session: Item) -> str:
    if waits := sorted({wait["type"] for wait in _waits(session)}):
        return f"waits: {', '.join(waits)}"
    return "waits" if session["status"] == "waitingfortoolresults" else session["status"]


def _usage(session: Item) -> Item:
    return session.get("usage") or {}


def _waits(session: Item) -> list[Item]:
    return session.get("waiting_for") or []


def _tokens(session: Item) -> str:
    usage = _usage(session)
    return count(usage.get("input_tokens", 0) + usage.get("output_tokens", 0))


@sessions.command("show")
def show_session(
    session: Annotated[str, typer.Argument(help="Id of a session.")],
    output: OutputOption = Output.TABLE,
    server: ServerOption = None,
    key_file: KeyFileOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show a session: what it is for, what it does and what it has cost."""
    session_id = checked_id(session, "session")

    async def fetch(api: Server) -> Item:
        return await api.call("GET", f"/v1/sessions/{session_id}")

    found = with_server(fetch, server, key_file, data_dir)
    if output is Output.JSON:
        print_json(found)
        return
    usage = _usage(found)
    print_fields(
        {
            "Id": found["id"],
            "Title": found.get("title"),
            "Status": _status(found),
            "Agent": found.get("agent_id"),
            "Model": found.get("model_id"),
            "End user": found.get("end_user"),
            "Tags": ", ".join(found.get("tags") or []),
            "Created": local(found["created_at"]),
            "Updated": local(found["updated_at"]),
            "Tokens": f"{count(usage.get('input_tokens', 0))} read, "
            f"{count(usage.get('output_tokens', 0))} written",
            "Cost": money(usage.get("estimated_cost_usd")),
            "First message": found.get("preview"),
            "Last answer": found.get("output_preview"),
        }
    )
    for wait in _waits(found):
        name: str = wait.get("name") or wait["tool_call_id"]
        print_line(harmless(f"Waits for {wait['type']}: {name}, {ago(wait['since'])}"))


@sessions.command("cancel")
def cancel_session(
    session: Annotated[str, typer.Argument(help="Id of a session.")],
    server: ServerOption = None,
    key_file: KeyFileOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """End the open turn of a session; the session stays usable."""
    session_id = checked_id(session, "session")

    async def cancel(api: Server) -> Item:
        return await api.call("POST", f"/v1/sessions/{session_id}/cancel")

    answer = with_server(cancel, server, key_file, data_dir)
    is_cancelled = answer["status"] == "cancelled"
    err.print("The turn has ended." if is_cancelled else "No turn is open.", highlight=False)


@sessions.command("delete")
def delete_session(
    session: Annotated[str, typer.Argument(help="Id of a session.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    server: ServerOption = None,
    key_file: KeyFileOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Delete a session with its events and files, for good."""
    session_id = checked_id(session, "session")

    async def fetch(api: Server) -> Item:
        return await api.call("GET", f"/v1/sessions/{session_id}")

    async def delete(api: Server) -> None:
        await api.call("DELETE", f"/v1/sessions/{session_id}")

    if not yes:
        found = with_server(fetch, server, key_file, data_dir)
        about = harmless(found.get("title") or found.get("preview") or "no message yet")
        typer.confirm(f"Delete {session_id} ({about[:80]})?", abort=True, err=True)
    with_server(delete, server, key_file, data_dir)
    err.print(f"Deleted {session_id}", highlight=False)
