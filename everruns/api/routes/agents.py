"""Routes of agents.

Source: docs/contract.md, "Resources", Agent.
"""

from typing import Any

from fastapi import Request, Response

from everruns.api.http.answers import answer
from everruns.api.http.pages import page_of
from everruns.api.http.parameters import (
    DEFAULT_LIMIT,
    AgentId,
    Limit,
    Offset,
    Search,
    TheRuntime,
    runtime_of,
)
from everruns.api.http.requests import read_key
from everruns.api.http.routes import Routes
from everruns.api.http.senders import TheGrant
from everruns.domain.agents import Agent, AgentInput, AgentPatch
from everruns.domain.base import Page
from everruns.storage.pages import ListQuery

EXAMPLE = {
    "name": "research-assistant",
    "system_prompt": "You are a careful research assistant.",
    "capabilities": ["current_time", {"ref": "web_fetch"}],
    "tags": ["demo"],
}
REPLACED: dict[int | str, dict[str, Any]] = {
    200: {"model": Agent, "description": "The agent was replaced"}
}

routes = Routes("agents")


@routes.add("GET /agents", "read_agents", keeps_scope=True)
async def list_agents(
    runtime: TheRuntime,
    grant: TheGrant,
    search: Search = None,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Agent]:
    """List the active agents, newest first."""
    if grant is not None:
        found = [await runtime.agents.find(identity) for identity in grant.agent_ids]
        agents = [agent for agent in found if agent is not None and agent.status == "active"]
        agents.sort(key=lambda agent: (agent.created_at, agent.id), reverse=True)
        return page_of(agents, offset, limit, search, _searched)
    query = ListQuery(search=search, offset=offset, limit=limit)
    return await runtime.agents.list(query)


def _searched(agent: Agent) -> str:
    texts = agent.id, agent.name, agent.display_name, agent.description
    return " ".join(text for text in texts if text)


async def create(request: Request, wanted: AgentInput, *, by_name: bool = False) -> Response:
    """Create an agent and answer with it; see ``Agents.create``."""
    agents = runtime_of(request).agents
    agent, is_new = await agents.create(wanted, await read_key(request), by_name=by_name)
    return answer(agent, 201 if is_new else 200)


@routes.add("GET /agents/{agent_id}", "read_agents")
async def get_agent(agent_id: AgentId, runtime: TheRuntime) -> Agent:
    """Read an agent."""
    return await runtime.agents.get(agent_id)


@routes.add("PATCH /agents/{agent_id}")
async def update_agent(agent_id: AgentId, patch: AgentPatch, runtime: TheRuntime) -> Agent:
    """Change the given fields of an agent; its sessions pick up the change at their next turn."""
    return await runtime.agents.update(agent_id, patch)


@routes.add("DELETE /agents/{agent_id}", status_code=204)
async def archive_agent(agent_id: AgentId, runtime: TheRuntime) -> None:
    """Archive an agent: it is no longer listed, takes no new sessions, and keeps its old ones."""
    await runtime.agents.archive(agent_id)
