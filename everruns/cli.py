"""The command line: ``everruns serve`` and its companions."""

import asyncio
import shlex
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from errno import ENOSPC
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from everruns.domain.keys import new_api_key
from everruns.errors import Conflict, EverrunsError, HostLost, InvalidRequest
from everruns.log import configure_log
from everruns.registry.backups import Backups
from everruns.registry.database import Database
from everruns.registry.keys import ApiKeys
from everruns.settings import Settings, check_variables, load_settings
from everruns.storage.lock import lock_data_directory

if TYPE_CHECKING:
    from actors.place import Place

# How long to wait for a server that is starting.
SERVER_TIMEOUT_S = 15.0
SERVER_POLL_S = 0.2
ID_WIDTH = len("key_") + 32

Answer = TypeVar("Answer")

cli = typer.Typer(
    name="everruns",
    help="A durable runtime for AI agents behind a REST API, on a Ray cluster.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
keys = typer.Typer(help="API keys for deployments with auth = api_keys.", no_args_is_help=True)
cli.add_typer(keys, name="keys")

out = Console()
err = Console(stderr=True)

ConfigOption = Annotated[
    Path | None,
    typer.Option(help="TOML file with settings.", exists=True, dir_okay=False),
]
DataDirOption = Annotated[
    Path | None, typer.Option(help="Directory of the database and keys. [~/.everruns]")
]


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
    from actors.place import Place  # noqa: PLC0415
    from actors.server import run_server  # noqa: PLC0415

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
    from actors.credentials import read_token  # noqa: PLC0415

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
    from everruns.storage.backup_directory import make_backup_directory  # noqa: PLC0415

    settings = load_settings(data_dir=data_dir)
    target = make_backup_directory(settings.data_dir, directory.absolute())

    async def copy(rooms: Rooms) -> None:
        await rooms.backups.begin(target)
        with err.status("Copying") as status:
            while not await rooms.backups.is_done(1.0):
                written = target.with_suffix(".partial")
                status.update(f"Copying: {written.stat().st_size / 1e6:,.0f} MB")

    _with_rooms(data_dir, copy)
    size_mb = target.stat().st_size / 1e6
    err.print(f"Copied {size_mb:,.1f} MB to {directory}", markup=False, highlight=False)


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    data_dir: DataDirOption = None,
) -> None:
    """Create a key and show it once."""
    key, secret = new_api_key(name)
    _with_rooms(data_dir, lambda rooms: rooms.keys.add(key))
    err.print("Save this key now; it is not shown again:")
    out.print(secret, highlight=False)


@keys.command("list")
def list_keys(data_dir: DataDirOption = None) -> None:
    """List the keys by name; the secrets themselves are not stored."""
    # Never truncate the id: `keys revoke` needs all of it.
    table = Table(Column("Id", no_wrap=True, min_width=ID_WIDTH), "Name", "Ends in", "Created")
    for key in _with_rooms(data_dir, lambda rooms: rooms.keys.list()):
        table.add_row(key.id, escape(key.name), escape(key.last_four), key.created_at)
    out.print(table)


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="The key's id, from `everruns keys list`.")],
    data_dir: DataDirOption = None,
) -> None:
    """Revoke a key immediately and end the streams that it opened."""
    _with_rooms(data_dir, lambda rooms: rooms.keys.revoke(key_id))
    err.print(f"Revoked {key_id}", markup=False)


@dataclass(frozen=True)
class Rooms:
    """The parts of the registry that commands use."""

    keys: ApiKeys
    backups: Backups


def _with_rooms(data_dir: Path | None, use: Callable[[Rooms], Awaitable[Answer]]) -> Answer:
    settings = load_settings(data_dir=data_dir)

    async def call() -> Answer:
        async with AsyncExitStack() as stack:
            return await use(await _reach(settings, stack))

    return asyncio.run(call())


async def _reach(settings: Settings, stack: AsyncExitStack) -> Rooms:
    """Return the rooms of a data directory: the running server's or, without one, the store's.

    Raises:
        Conflict: A process holds the directory but does not answer.
        StoreUnavailable: It cannot be used.
    """
    # Ray is not imported: that would take a second.
    from actors.remote_registry import registry_of  # noqa: PLC0415

    deadline = time.monotonic() + SERVER_TIMEOUT_S
    while True:
        try:
            registry = await stack.enter_async_context(registry_of(settings.data_dir))
            return Rooms(registry.keys, registry.backups)
        except HostLost as lost:
            try:
                stack.enter_context(lock_data_directory(settings.data_dir))
                break
            except Conflict as held:
                # The server may be starting.
                if time.monotonic() >= deadline:
                    raise Conflict(f"{lost.message} {held.message}") from None
        await asyncio.sleep(SERVER_POLL_S)
    from everruns.storage.data_directory import open_store  # noqa: PLC0415

    database = Database(open_store(settings.data_dir, settings.encryption_key))
    stack.push_async_callback(database.close)
    return Rooms(ApiKeys(database), Backups(database))


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
