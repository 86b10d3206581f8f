"""``everruns status``: what a cluster is doing, live."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from everruns.commands.events import INTERRUPTED
from everruns.commands.finding import DataDirOption, KeyFileOption, ServerOption
from everruns.commands.output import (
    Output,
    OutputOption,
    out,
    print_json,
    print_line,
    print_table,
    table_of,
)
from everruns.commands.server import Server, with_server
from everruns.commands.status_tables import Section, sections
from everruns.errors import Forbidden, NotFound, Overloaded, Unavailable

EVERY_S = 2.0
# Usage is read from files, and changes slowly.
SPEND_EVERY_S = 30.0


def status(
    once: Annotated[bool, typer.Option("--once", help="Print it once instead of live.")] = False,
    output: OutputOption = Output.TABLE,
    server: ServerOption = None,
    key_file: KeyFileOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show nodes, registry, session actors and API replicas, every two seconds until Ctrl-C.

    It is printed once where the output is not a terminal, and with -o json.
    """

    async def show(api: Server) -> None:
        if output is Output.JSON:
            print_json(await api.call("GET", "/v1/cluster"))
        elif once or not out.is_terminal:
            state = await api.call("GET", "/v1/cluster")
            _print(sections(state, None, await _spent_today(api)))
        else:
            await _live(api)

    try:
        with_server(show, server, key_file, data_dir)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


async def _live(api: Server) -> None:
    before: Mapping[str, Any] | None = None
    spent: float | None = None
    spent_at = float("-inf")
    with Live(console=out, auto_refresh=False) as live:
        while True:
            try:
                state = await api.call("GET", "/v1/cluster")
                if time.monotonic() - spent_at > SPEND_EVERY_S:
                    spent, spent_at = await _spent_today(api), time.monotonic()
            except (Overloaded, Unavailable) as error:
                live.update(Text(error.message, "red"), refresh=True)
            else:
                shown = sections(state, before, spent)
                live.update(Group(*map(_rendered, shown)), refresh=True)
                before = state
            await asyncio.sleep(EVERY_S)


async def _spent_today(api: Server) -> float | None:
    """Return what was spent since midnight UTC, in US dollars; ``None`` if nobody knows."""
    today = datetime.now(UTC).date().isoformat()
    try:
        usage = await api.call("GET", "/v1/usage", query={"from": today})
    except (NotFound, Forbidden, Unavailable):
        return None
    return usage["total"]["cost_usd"]


def _rendered(section: Section) -> Group:
    table = table_of(section.columns, section.rows)
    return Group(Text(section.title, "bold"), table, "")


def _print(shown: Sequence[Section]) -> None:
    for number, section in enumerate(shown):
        if number:
            print_line("")
        print_line(section.title)
        print_table(section.columns, section.rows)
