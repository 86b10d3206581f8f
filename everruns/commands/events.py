"""``everruns events``: the log of a session, from its beginning or as it grows."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

import typer

from everruns.commands.event_lines import line_of
from everruns.commands.finding import DataDirOption, KeyFileOption, ServerOption
from everruns.commands.following import follow
from everruns.commands.naming import checked_id
from everruns.commands.output import Output, OutputOption, err, json_of, print_line
from everruns.commands.server import Server, with_server
from everruns.errors import InvalidRequest

PASSING = ("message.delta", "reasoning.delta", "tool.progress")
PAGE = 1000
INTERRUPTED = 130
"""The exit code of a command that was ended with Ctrl-C."""


def events(
    session: Annotated[str, typer.Argument(help="Id of a session.")],
    following: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new events until Ctrl-C.")
    ] = False,
    after: Annotated[
        int, typer.Option(min=0, help="Begin after the event with this sequence.")
    ] = 0,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Only this type; may be repeated.")
    ] = None,
    deltas: Annotated[
        bool,
        typer.Option("--deltas", help="With --follow: also what is not stored, such as text."),
    ] = False,
    output: OutputOption = Output.TABLE,
    server: ServerOption = None,
    key_file: KeyFileOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Print the events of a session, one a line; with -o json one JSON object a line.

    With --follow it survives restarts of the server: no event is lost or printed twice.
    """
    session_id = checked_id(session, "session")
    if deltas and not following:
        raise InvalidRequest("--deltas goes with --follow: deltas are not stored.")

    async def show(api: Server) -> None:
        if following:
            exclude = () if deltas or types else PASSING
            found = follow(api, session_id, after, types or (), exclude, _tell_interruption)
        else:
            found = _stored(api, session_id, after, types or ())
        async with aclosing(found):
            async for event in found:
                print_line(json_of(event) if output is Output.JSON else line_of(event))

    try:
        with_server(show, server, key_file, data_dir)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _tell_interruption(reason: str) -> None:
    err.print(f"{reason} Trying again.", style="dim", markup=False, highlight=False)


async def _stored(
    api: Server, session_id: str, after: int, types: list[str] | tuple[()]
) -> AsyncGenerator[dict[str, Any]]:
    """Yield the stored events after a sequence."""
    seen = after
    while True:
        query = {"after_sequence": seen, "types": ",".join(types) or None, "limit": PAGE}
        page = await api.call("GET", f"/v1/sessions/{session_id}/events/list", query=query)
        for event in page["data"]:
            yield event
        if not page["data"]:
            return
        seen = page["data"][-1]["sequence"]
