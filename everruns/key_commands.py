"""The command line's keys: ``everruns keys create``, ``list`` and ``revoke``."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, TypeVar, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from everruns.domain.keys import ApiKey, ApiKeyShown, new_api_key
from everruns.domain.rights import RIGHTS, Right
from everruns.errors import Conflict, HostLost, InvalidRequest, NotFound
from everruns.ids import is_id
from everruns.registry.database import Database
from everruns.registry.keys import ApiKeys
from everruns.settings import Settings, load_settings
from everruns.storage.lock import lock_data_directory

# How long to wait for a server that is starting.
SERVER_TIMEOUT_S = 15.0
SERVER_POLL_S = 0.2
# Wide enough for whole ids; a narrower terminal breaks the lines.
LIST_WIDTH = 120

Answer = TypeVar("Answer")

keys = typer.Typer(help="API keys for deployments with auth = api_keys.", no_args_is_help=True)

out = Console()
err = Console(stderr=True)

DataDirOption = Annotated[
    Path | None, typer.Option(help="Directory of the database and keys. [~/.everruns]")
]


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
