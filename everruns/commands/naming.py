"""What commands take for an id or a name."""

from typing import Any

from everruns.commands.server import Server
from everruns.errors import InvalidRequest, NotFound
from everruns.ids import is_id

LISTED = frozenset({"agent", "session"})
"""Kinds that have a command that lists them."""


def checked_id(given: str, kind: str) -> str:
    """Return an id, if it is one.

    Args:
        given: What was given.
        kind: Of what it must be the id, e.g. ``session``.

    Raises:
        InvalidRequest: It is not. The message says where ids are listed.
    """
    if not is_id(given, kind):
        listed = f" `everruns {kind}s list` lists them." if kind in LISTED else ""
        raise InvalidRequest(
            f"{given[:64]!r} is not the id of a{'n' if kind[0] in 'aeiou' else ''} {kind}: "
            f"{kind}_ and 32 hexadecimal digits.{listed}"
        )
    return given


async def find_agent(api: Server, given: str) -> dict[str, Any]:
    """Return the agent with this id or, if it is not an id, the newest with this name.

    Raises:
        NotFound: There is none.
    """
    agent_id = given
    if not is_id(given, "agent"):
        # The newest is first; it is the one that the API takes for a name, too.
        page = await api.list("/v1/agents", 100, {"search": given[:256]})
        named = (agent["id"] for agent in page["data"] if agent["name"] == given)
        agent_id = next(named, None)
        if agent_id is None:
            raise NotFound(
                f"No agent is called {given[:64]}. `everruns agents list` lists the agents."
            )
    return await api.call("GET", f"/v1/agents/{agent_id}")
