"""The command line: ``everruns serve`` and its companions."""

import shlex
import sys
from errno import ENOSPC
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from everruns.errors import EverrunsError, InvalidRequest
from everruns.key_commands import keys
from everruns.log import configure_log
from everruns.reaching import DataDirOption, Rooms, with_rooms
from everruns.settings import Settings
from everruns.settings_loading import check_variables, load_settings

if TYPE_CHECKING:
    from actors.serving.place import Place

cli = typer.Typer(
    name="everruns",
    help="A durable runtime for AI agents behind a REST API, on a Ray cluster.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
cli.add_typer(keys, name="keys")

out = Console()
err = Console(stderr=True)

ConfigOption = Annotated[
    Path | None,
    typer.Option(help="TOML file with settings.", exists=True, dir_okay=False),
]


def _show_version(is_asked: bool) -> None:
    if is_asked:
        show_version()
        raise typer.Exit


@cli.callback()
def _main(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one. [9300]")] = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    auth: Annotated[
        str | None, typer.Option(help="How requests authenticate: none or api_keys. [none]")
    ] = None,
    allow_open_network: Annotated[
        bool | None,
        typer.Option(
            "--allow-open-network", help="Accept auth=none on an address that others can reach."
        ),
    ] = None,
    replicas: Annotated[int | None, typer.Option(help="API replicas. [1]")] = None,
    ray_address: Annotated[
        str | None, typer.Option(help="Ray cluster to join. Default: start one.")
    ] = None,
    dashboard: Annotated[
        bool | None, typer.Option(help="Start the Ray dashboard, on loopback.")
    ] = None,
) -> None:
    """Start or join Ray, deploy the API and run until Ctrl-C.

    Every setting can also come from an EVERRUNS_* environment variable or the config file;
    `everruns config` shows them all.
    """
    settings = load_settings(
        config,
        host=host,
        port=port,
        data_dir=data_dir,
        auth=auth,
        allow_open_network=allow_open_network,
        replicas=replicas,
        ray_address=ray_address,
        dashboard=dashboard,
    )
    check_variables()
    settings.check_exposure()
    from actors.clusters.environment import prepare_environment  # noqa: PLC0415

    # Ray reads its environment when it is imported.
    prepare_environment(settings)
    from actors.serving.place import Place  # noqa: PLC0415
    from actors.serving.server import run_server  # noqa: PLC0415

    with err.status("Starting") as status:

        def report(line: str) -> None:
            status.update(line)
            if not err.is_terminal:
                err.print(line)

        def ready(place: Place) -> None:
            status.stop()
            _welcome(settings, place)

        run_server(settings, report, ready)


def _welcome(settings: Settings, place: "Place") -> None:
    lines = [f"[bold green]Everruns is ready[/] at [bold]{place.address}[/]"]
    if settings.docs:
        lines.append(f"  API reference  {place.address}/swagger-ui/")
    if place.dashboard:
        token = escape(token_command(settings))
        lines.append(f"  Ray dashboard  {place.dashboard} (token: {token})")
    lines += [
        f"  Data           {escape(str(settings.data_dir))}",
        f"  Logs           {escape(place.logs)}",
        *(f"  Note           {escape(note)}" for note in place.notes),
        "  Stop with Ctrl-C",
    ]
    for line in lines:
        out.print(line, highlight=False, soft_wrap=True)


def token_command(settings: Settings) -> str:
    """Return the whole command that prints this server's token, as a shell takes it."""
    if settings.data_dir == Settings.model_fields["data_dir"].default:
        return "everruns token"
    return f"everruns token --data-dir {shlex.quote(str(settings.data_dir))}"


@cli.command()
def config(config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Show every setting with its value and environment variable; secrets are masked."""
    check_variables()
    settings = load_settings(config, data_dir=data_dir)
    table = Table("Setting", "Value", "Environment variable", "Meaning")
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        shown = ", ".join(cast("tuple[str, ...]", value)) if type(value) is tuple else str(value)
        table.add_row(name, shown, f"EVERRUNS_{name.upper()}", field.description)
    out.print(table)


@cli.command()
def token(data_dir: DataDirOption = None) -> None:
    """Print the login token of the Ray dashboard."""
    from actors.clusters.credentials import read_token  # noqa: PLC0415

    settings = load_settings(data_dir=data_dir)
    found = read_token(settings.data_dir)
    if found is None:
        raise InvalidRequest(f"No server has been started on {settings.data_dir} yet.")
    out.print(found, highlight=False)


@cli.command()
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


@cli.command()
def migrate(
    data_dir: Annotated[
        Path | None,
        typer.Option("--from", help="Data directory of a server that is stopped. [~/.everruns]"),
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


@cli.command("version")
def show_version() -> None:
    """Print the version."""
    out.print(version("everruns"), highlight=False)


def main() -> None:
    """Run the command line; errors that the user can fix are printed in one line."""
    configure_log()
    try:
        cli()
    except EverrunsError as error:
        _fail(error.message)
    except OSError as error:
        if error.filename is None and error.errno != ENOSPC:
            raise
        _fail(f"{error.strerror}: {error.filename or 'the disk'}")


def _fail(message: str) -> NoReturn:
    err.print("[bold red]everruns:[/]", escape(message), highlight=False, soft_wrap=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
