"""``everruns export``: what the logs hold, as files for other programs."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from everruns.commands.data_directory import Rooms, with_rooms
from everruns.commands.finding import DataDirOption
from everruns.commands.naming import checked_id
from everruns.commands.output import err
from everruns.commands.times import FORMS, time_of
from everruns.errors import InvalidRequest

FILE_FORMS = ("parquet", "jsonl")


def export(
    directory: Annotated[Path, typer.Argument(help="A new directory for the files.")],
    form: Annotated[
        str, typer.Option("--format", help="parquet, with events by day; or jsonl.")
    ] = "parquet",
    since: Annotated[
        str | None,
        typer.Option(help=f"Only events since then: {FORMS}."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Only events before that time, in the same forms.")
    ] = None,
    session: Annotated[
        list[str] | None,
        typer.Option(help="Only the session with this id; may be repeated."),
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Write sessions and their events as rows, whether or not the server is running.

    The rows are those that SQL sees: times, tokens, costs, outcomes and the text of messages,
    without the contents of files and the results of tools. For a copy of everything, use
    `everruns backup`.
    """
    # DuckDB takes a second to import.
    from everruns.archive.export import Selection, export  # noqa: PLC0415

    if form not in FILE_FORMS:
        raise InvalidRequest(f"--format {form[:64]}: must be one of {', '.join(FILE_FORMS)}.")
    selection = Selection(
        frozenset(checked_id(given, "session") for given in session or ()),
        0 if since is None else time_of("--since", since),
        None if until is None else time_of("--until", until),
    )

    async def write(rooms: Rooms) -> tuple[int, int]:
        columns = TextColumn("Exporting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        # Where nobody watches, it would leave an empty line.
        with Progress(
            *columns, console=err, transient=True, disable=not err.is_terminal
        ) as progress:
            task = progress.add_task("events", total=None)

            def report(done: int, total: int) -> None:
                progress.update(task, completed=done, total=total)

            target = directory.absolute()
            return await export(rooms.history, target, form, selection, report)

    sessions, events = with_rooms(data_dir, write)
    err.print(
        f"Exported {events:,} events of {sessions:,} sessions to {directory}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
