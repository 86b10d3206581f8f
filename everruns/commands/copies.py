"""``everruns backup`` and ``everruns migrate``: copies of all that a server keeps."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from everruns.commands.data_directory import Rooms, with_rooms
from everruns.commands.finding import DataDirOption
from everruns.commands.output import err, out
from everruns.errors import InvalidRequest
from everruns.settings import Settings
from everruns.settings_loading import load_settings


def backup(
    directory: Annotated[Path, typer.Argument(help="A new directory for the copy.")],
    data_dir: DataDirOption = None,
) -> None:
    """Copy the data directory, whether or not its server is running.

    To go back to it, start a server with the copy as its data directory.
    """
    from everruns.storage.data_directory.backup import make_backup_directory  # noqa: PLC0415

    settings = load_settings(data_dir=data_dir)
    if settings.database_url is not None:
        raise InvalidRequest(
            "This server keeps its data in PostgreSQL. Back it up with PostgreSQL's own programs,"
            " such as pg_dump, and keep a copy of the encryption key apart from it."
        )
    target = make_backup_directory(settings.data_dir, directory.absolute())

    async def copy(rooms: Rooms) -> None:
        await rooms.backups.begin(target)
        with err.status("Copying") as status:
            while not await rooms.backups.is_done(1.0):
                written = target.with_suffix(".partial")
                status.update(f"Copying: {written.stat().st_size / 1e6:,.0f} MB")

    with_rooms(data_dir, copy)
    size_mb = target.stat().st_size / 1e6
    err.print(f"Copied {size_mb:,.1f} MB to {directory}", markup=False, highlight=False)


def migrate(
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Data directory of a server that is stopped. (default: ~/.everruns)"
        ),
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="postgresql://USER:PASSWORD@HOST/DATABASE",
            help="Empty PostgreSQL database. Without it EVERRUNS_DATABASE_URL says which, so that"
            " no list of processes shows the password.",
        ),
    ] = None,
) -> None:
    """Copy a data directory into a PostgreSQL database, and compare the two.

    The data directory stays as it is. If the copy is interrupted, the same command goes on with
    it; until it is complete, no server starts on the database.
    """
    from everruns.storage.transfer.copying import copy_data_directory  # noqa: PLC0415

    settings = load_settings(data_dir=data_dir, database_url=database_url)
    if settings.database_url is None:
        raise InvalidRequest("Set EVERRUNS_DATABASE_URL to the PostgreSQL database, or name --to.")
    with err.status("Opening") as status:

        def report(line: str) -> None:
            status.update(line)
            if not err.is_terminal:
                err.print(line, markup=False, highlight=False)

        copied = copy_data_directory(
            settings.data_dir, settings.encryption_key, settings.database_url, report
        )
    table = Table("Table", Column("Rows, the same in both", justify="right"))
    for name, rows in copied.items():
        table.add_row(name, f"{rows:,}")
    out.print(table)
    err.print(
        "Everything is copied. Start servers with EVERRUNS_DATABASE_URL, and with the encryption"
        f" key of before: {_encryption_key(settings)}.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _encryption_key(settings: Settings) -> str:
    if settings.encryption_key is not None:
        return "EVERRUNS_ENCRYPTION_KEY, as now"
    file = settings.data_dir / "encryption.key"
    return f"the content of {file} as EVERRUNS_ENCRYPTION_KEY, or this data directory"
