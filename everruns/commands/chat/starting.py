"""What a chat begins with: an agent or a session that goes on."""

import sys
from dataclasses import dataclass
from typing import Any

from everruns.commands.chat.lines import in_one_line
from everruns.commands.naming import checked_id, find_agent
from everruns.commands.output import err, print_line
from everruns.commands.server import Server
from everruns.errors import Conflict, Forbidden, InvalidRequest, NotFound

AGENTS_SHOWN = 100
NAME_CHARACTERS = 64


@dataclass(frozen=True)
class Start:
    """A session that goes on, or the agent of one that begins.

    Attributes:
        title: Who answers, for people.
        agent_id: The agent; ``None`` if the default model answers without one.
        session_id: The session; ``None`` if one is to begin.
    """

    title: str
    agent_id: str | None
    session_id: str | None = None


async def find_start(
    api: Server, agent: str | None, session_id: str | None, *, may_ask: bool
) -> Start:
    """Return what was named or, if nothing was, what there is to talk with.

    Args:
        api: The server.
        agent: An agent's name or id.
        session_id: A session's id.
        may_ask: Whether somebody can choose among several agents.

    Raises:
        NotFound: What was named does not exist.
        Conflict: Several agents could be meant.
        EverrunsError: The server refuses.
    """
    if session_id is not None:
        session = await api.call("GET", f"/v1/sessions/{checked_id(session_id, 'session')}")
        return Start(await _title(api, session), session.get("agent_id"), session_id)
    if agent is not None:
        return _of(await find_agent(api, agent))
    agents: list[dict[str, Any]] = (await api.list("/v1/agents", AGENTS_SHOWN))["data"]
    if not agents:
        return Start("the default model", None)
    if len(agents) == 1:
        return _of(agents[0])
    if not may_ask:
        raise Conflict("There are several agents. Name one: `everruns chat AGENT`.")
    return _of(agents[_choose(agents)])


async def _title(api: Server, session: dict[str, Any]) -> str:
    if session.get("agent_id") is None:
        return "the default model"
    try:
        agent = await api.call("GET", f"/v1/agents/{session['agent_id']}")
    except (NotFound, Forbidden):
        # A session outlives its agent, and may be open to somebody to whom the agent is not.
        return "its agent"
    return _of(agent).title


def _of(agent: dict[str, Any]) -> Start:
    name = agent.get("display_name") or agent["name"]
    return Start(in_one_line(name, NAME_CHARACTERS), agent["id"])


def _choose(agents: list[dict[str, Any]]) -> int:
    for number, agent in enumerate(agents, 1):
        about = in_one_line(agent.get("description") or agent["id"], 100)
        print_line(f"{number:>3}  {_of(agent).title}  {about}")
    while True:
        err.print("Talk with which agent? ", end="")
        typed = sys.stdin.readline()
        if not typed:
            raise InvalidRequest("No agent was chosen.")
        if typed.strip().isdecimal() and 1 <= int(typed) <= len(agents):
            return int(typed) - 1
        err.print(f"Type a number from 1 to {len(agents)}, or Ctrl-C.")
