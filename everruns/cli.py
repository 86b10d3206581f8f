"""The command line: ``everruns serve`` and its companions."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from errno import ENOSPC
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from everruns.domain.keys import ApiKey, ApiKeyShown, new_api_key
from everruns.domain.rights import RIGHTS, Right
from everruns.errors import Conflict, EverrunsError, HostLost, InvalidRequest, NotFound
from everruns.ids import is_id
from everruns.log import configure_log
from everruns.registry.database import Database
from everruns.registry.keys import ApiKeys
from everruns.settings import Settings, check_variables, load_settings
from everruns.storage.lock import lock_data_directory

if TYPE_CHECKING:
    from actors.server import Addresses

# How long to wait for a server that is starting.
SERVER_TIMEOUT_S = 15.0
SERVER_POLL_S = 0.2
# Wide enough for whole ids; a narrower terminal breaks the lines.
LIST_WIDTH = 120

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


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    agent: Annotated[
        list[str] | None,
        typer.Option(help="Bind the key to the agent with this id; may be repeated."),
    ] = None,
    right: Annotated[
        list[str] | None,
        typer.Option(
            help="What a bound key may do; may be repeated. By default all of: "
            f"{', '.join(RIGHTS)}."
        ),
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Create a key and show it once; it is valid at once.

    Without --agent it may do everything.
    """
    key, secret = new_api_key(name, _agent_ids(agent or []), _rights(right or []))
    if right and not agent:
        raise InvalidRequest("--right goes with --agent: a key without agents has no limits.")
    _with_keys(data_dir, lambda keys: keys.add(key))
    err.print("Save this key now; it is not shown again:")
    out.print(secret, highlight=False)


def _agent_ids(given: list[str]) -> list[str]:
    for agent_id in given:
        if not is_id(agent_id, "agent"):
            raise InvalidRequest(
                f"--agent {agent_id[:64]}: must be the id of an agent, agent_ and 32 hexadecimal "
                "digits. GET /v1/agents lists the agents."
            )
    return given


def _rights(given: list[str]) -> list[Right]:
    for right in given:
        if right not in RIGHTS:
            raise InvalidRequest(f"--right {right[:64]}: must be one of {', '.join(RIGHTS)}.")
    return cast("list[Right]", given)


@keys.command("list")
def list_keys(
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with whole names and all fields.")
    ] = False,
    data_dir: DataDirOption = None,
) -> None:
    """List the keys, oldest first; the secrets themselves are not stored."""
    found = _with_keys(data_dir, lambda keys: keys.list())
    if as_json:
        shown = [ApiKeyShown.model_validate(dict(key)).model_dump() for key in found]
        out.print_json(data=shown, indent=2, highlight=False)
        return
    # Whole ids, whatever the width: `keys revoke` needs them.
    whole = Column("Id", no_wrap=True), Column("Agents", no_wrap=True)
    table = Table(whole[0], "Name", "Ends in", "Created", whole[1], "Rights")
    for key in found:
        agents = "\n".join(key.agent_ids) or "all"
        rights = ", ".join(key.rights) or "all"
        table.add_row(
            key.id, escape(key.name), escape(key.last_four), key.created_at, agents, rights
        )
    Console(width=max(out.width, LIST_WIDTH)).print(table, soft_wrap=True)


@keys.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(help="The key's id, or its name if no other has it.")],
    data_dir: DataDirOption = None,
) -> None:
    """Revoke a key.

    Within a second it and the access tokens that it made are refused, and their streams end.
    """

    async def revoke(keys: ApiKeys) -> str:
        found = _named(key, await keys.list())
        await keys.revoke(found)
        return found

    err.print(f"Revoked {_with_keys(data_dir, revoke)}", markup=False)


def _named(given: str, keys: list[ApiKey]) -> str:
    """Return the id of the key with this id or name.

    Raises:
        NotFound: There is none.
        Conflict: Several have the name.
    """
    found = [key.id for key in keys if given in (key.id, key.name)]
    if not found:
        raise NotFound(f"No API key has the id or name {given[:64]}. See `everruns keys list`.")
    if len(found) > 1:
        raise Conflict(f"{len(found)} API keys have the name {given[:64]}: {', '.join(found)}.")
    return found[0]


def _with_keys(data_dir: Path | None, use: Callable[[ApiKeys], Awaitable[Answer]]) -> Answer:
    settings = load_settings(data_dir=data_dir)

    async def call() -> Answer:
        async with AsyncExitStack() as stack:
            return await use(await _reach_keys(settings, stack))

    return asyncio.run(call())


async def _reach_keys(settings: Settings, stack: AsyncExitStack) -> ApiKeys:
    """Return the keys of a data directory, from the running server or, without one, from the store.

    Raises:
        Conflict: A process holds the directory but does not answer.
        StoreUnavailable: It cannot be used.
    """
    # Ray is not imported: that would take a second.
    from actors.remote_registry import registry_of  # noqa: PLC0415

    deadline = time.monotonic() + SERVER_TIMEOUT_S
    while True:
        try:
            return (await stack.enter_async_context(registry_of(settings.data_dir))).keys
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
    return ApiKeys(database)


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
