"""The command line: ``everruns serve`` and its companions."""

import sys
from errno import ENOSPC
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from everruns.errors import EverrunsError, InvalidRequest
from everruns.key_commands import DataDirOption, keys
from everruns.log import configure_log
from everruns.settings import Settings, check_variables, load_settings

if TYPE_CHECKING:
    from actors.server import Addresses

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
    from actors.ray_environment import prepare_environment  # noqa: PLC0415

    # Ray reads its environment when it is imported.
    prepare_environment(settings)
    from actors.server import Addresses, run_server  # noqa: PLC0415

    with err.status("Starting") as status:

        def report(line: str) -> None:
            status.update(line)
            if not err.is_terminal:
                err.print(line)

        def ready(addresses: Addresses) -> None:
            status.stop()
            _welcome(settings, addresses)

        run_server(settings, report, ready)


def _welcome(settings: Settings, addresses: "Addresses") -> None:
    lines = [f"[bold green]Everruns is ready[/] at [bold]{addresses.api}[/]"]
    if settings.docs:
        lines.append(f"  API reference  {addresses.api}/swagger-ui/")
    if addresses.dashboard:
        lines.append(f"  Ray dashboard  {addresses.dashboard} (token: everruns token)")
    lines += [
        f"  Data           {settings.data_dir}",
        f"  Logs           {addresses.logs}",
        "  Stop with Ctrl-C",
    ]
    for line in lines:
        out.print(line, highlight=False, soft_wrap=True)


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
    from actors.credentials import read_token  # noqa: PLC0415

    settings = load_settings(data_dir=data_dir)
    found = read_token(settings.data_dir)
    if found is None:
        raise InvalidRequest(f"No server has been started on {settings.data_dir} yet.")
    out.print(found, highlight=False)


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
