"""The command line's keys: ``everruns keys create``, ``list`` and ``revoke``."""

from typing import Annotated, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from everruns.commands.data_directory import Rooms, with_rooms
from everruns.commands.finding import DataDirOption
from everruns.commands.naming import checked_id
from everruns.commands.output import err, out
from everruns.domain.keys import ApiKey, ApiKeyShown, new_api_key
from everruns.domain.rights import RIGHTS, Right
from everruns.errors import Conflict, InvalidRequest, NotFound

# Wide enough for whole ids; a narrower terminal breaks the lines.
LIST_WIDTH = 120

keys = typer.Typer(help="API keys for deployments with auth = api_keys.", no_args_is_help=True)


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
    agent_ids = [checked_id(given, "agent") for given in agent or ()]
    key, secret = new_api_key(name, agent_ids, _rights(right or []))
    if right and not agent:
        raise InvalidRequest("--right goes with --agent: a key without agents has no limits.")
    with_rooms(data_dir, lambda rooms: rooms.keys.add(key))
    err.print("Save this key now; it is not shown again:")
    out.print(secret, highlight=False)


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
    found = with_rooms(data_dir, lambda rooms: rooms.keys.list())
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

    async def revoke(rooms: Rooms) -> str:
        found = _named(key, await rooms.keys.list())
        await rooms.keys.revoke(found)
        return found

    err.print(f"Revoked {with_rooms(data_dir, revoke)}", markup=False)


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
