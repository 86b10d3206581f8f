"""``everruns logs``: the log of a server's processes, in chronological order."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from everruns.commands.finding import DataDirOption
from everruns.commands.log_files import MAX_FILES, LogFile, LogLine, list_log_files, merged, newest
from everruns.commands.log_lines import LEVELS, Wanted, json_line, log_time, readable
from everruns.commands.naming import checked_id
from everruns.commands.output import err, out
from everruns.commands.times import FORMS, time_of
from everruns.errors import InvalidRequest, NotFound
from everruns.settings_loading import load_settings
from everruns.storage.data_directory.logs_link import logs_link

POLL_S = 0.25
LINES_BEFORE = 20
MAX_LINES = 100_000


class Form(StrEnum):
    """The form of the lines."""

    TEXT = "text"
    JSON = "json"


def logs(
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is logged, until Ctrl-C.")
    ] = False,
    session: Annotated[str | None, typer.Option(help="Only this session.", metavar="ID")] = None,
    turn: Annotated[str | None, typer.Option(help="Only this turn.", metavar="ID")] = None,
    level: Annotated[
        str | None, typer.Option(help="The lowest level: debug, info, warning or error.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help=f"The earliest time: {FORMS}."),
    ] = None,
    actor: Annotated[
        str | None,
        typer.Option(
            help="registry, session, api, analyst, or one process such as session-actor-0."
        ),
    ] = None,
    lines: Annotated[
        int | None,
        typer.Option(
            "--lines",
            "-n",
            min=0,
            max=MAX_LINES,
            help=f"Only so many, the newest. (default: all; with --follow {LINES_BEFORE})",
        ),
    ] = None,
    form: Annotated[
        Form | None,
        typer.Option(
            "--output",
            "-o",
            help="text or json (default: text on a terminal, json where it is piped)",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Folder of Ray's logs. (default: that of the data directory's newest server)"
        ),
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show what the processes of a server have logged on this machine, oldest first.

    The server may have ended; then it is its last log. Times are UTC.
    """
    wanted = Wanted(
        checked_id(session, "session") if session is not None else None,
        checked_id(turn, "turn") if turn is not None else None,
        _level(level),
        log_time(time_of("--since", since)) if since else "",
        actor,
    )
    is_json = form is Form.JSON or (form is None and not out.is_terminal)
    show = _show_json if is_json else _show_text
    if lines is None and follow and not since:
        lines = LINES_BEFORE
    link = folder or logs_link(load_settings(data_dir=data_dir).data_dir)
    with closing(Log(link)) as log, suppress(KeyboardInterrupt):
        _print(log.until_now(wanted, lines), show)
        while follow:
            if not _print(filter(wanted.has, log.news()), show):
                time.sleep(POLL_S)


class Log:
    """The log of the processes whose files are in a folder.

    Args:
        folder: The folder, or a link that always points to that of the newest server.

    Raises:
        NotFound: There is no log.
    """

    def __init__(self, folder: Path) -> None:
        self._link = folder
        self._files: dict[Path, LogFile] = {}
        self._look()
        if not self._files:
            raise NotFound(
                f"There is no log in {folder} on this machine. Start a server with everruns serve,"
                " or name its data directory with --data-dir."
            )
        if len(self._files) == MAX_FILES:
            err.print(f"Only the {MAX_FILES} newest log files are read.")

    def until_now(self, wanted: Wanted, count: int | None) -> Iterable[LogLine]:
        """Return the lines that are there, of which the newest are taken if they are counted."""
        lines = filter(wanted.has, merged(list(self._files.values())))
        return lines if count is None else deque(lines, maxlen=count)

    def news(self) -> list[LogLine]:
        """Return what has been logged since, also in files and by servers that are new."""
        lines = newest(list(self._files.values()))
        self._look()
        return lines

    def close(self) -> None:
        """Close its files."""
        for file in self._files.values():
            file.close()

    def _look(self) -> None:
        """Note the files that are there now, and forget those that are gone."""
        present = list_log_files(self._link.resolve())
        for path in self._files.keys() - set(present):
            self._files.pop(path).close()
        for path in present:
            if path not in self._files:
                self._files[path] = LogFile(path)


def _print(lines: Iterable[LogLine], show: Callable[[LogLine], None]) -> bool:
    """Print lines, and tell whether there were any."""
    has_any = False
    for line in lines:
        show(line)
        has_any = True
    return has_any


def _show_json(line: LogLine) -> None:
    typer.echo(json_line(line))


def _show_text(line: LogLine) -> None:
    out.print(readable(line), soft_wrap=True)


def _level(given: str | None) -> str | None:
    if given is not None and given not in LEVELS:
        raise InvalidRequest(f"--level {given[:20]}: must be debug, info, warning or error.")
    return given
