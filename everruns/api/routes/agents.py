"""Routes of agents.

Source: docs/contract.md, "Resources", Agent.
"""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from everruns.api.http.access import TheGrant
from everruns.api.http.faces import Face
from everruns.api.http.pages import page_of
from everruns.api.http.parameters import (
    DEFAULT_LIMIT,
    AgentId,
    Limit,
    Offset,
    Search,
    TheRuntime,
    listing,
    runtime_of,
)
from everruns.api.http.requests import answer, document, read_body, read_key
from everruns.domain.agents import Agent, AgentInput, AgentPatch
from everruns.domain.base import Page
from everruns.domain.forms import SLUG
from everruns.domain.slugs import MAX_SLUG
from everruns.storage.pages import ListQuery

EXAMPLE = {
    "name": "research-assistant",
    "system_prompt": "You are a careful research assistant.",
    "capabilities": ["current_time", {"ref": "web_fetch"}],
    "tags": ["demo"],
}


class NamedAgentInput(AgentInput):
    """Creates an agent, or replaces the active agent of the same name."""

    name: Annotated[str, Field(pattern=SLUG, max_length=MAX_SLUG)]


async def list_agents(
    runtime: TheRuntime,
    grant: TheGrant,
    search: Search = None,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Agent]:
    """List the active agents, newest first."""
    if grant is not None:
        found = [await runtime.registry.agents.find(identity) for identity in grant.agent_ids]
        agents = [agent for agent in found if agent is not None and agent.status == "active"]
        agents.sort(key=lambda agent: (agent.created_at, agent.id), reverse=True)
        return page_of(agents, offset, limit, search, _searched)
    query = ListQuery(search=search, offset=offset, limit=limit)
    return await runtime.registry.agents.list(query)


def _searched(agent: Agent) -> str:
    texts = agent.id, agent.name, agent.display_name, agent.description
    return " ".join(text for text in texts if text)


async def create_agent(request: Request) -> Response:
    """Create an agent; if an agent with this `id` exists, replace it (200)."""
    wanted = await read_body(request, AgentInput)
    agents = runtime_of(request).registry.agents
    agent, is_new = await agents.create(wanted, await read_key(request))
    return answer(agent, 201 if is_new else 200)


async def create_named_agent(request: Request) -> Response:
    """Create an agent; if an active agent has this `id` or name, replace it (200)."""
    wanted = await read_body(request, NamedAgentInput)
    agents = runtime_of(request).registry.agents
    agent, is_new = await agents.create(wanted, await read_key(request), by_name=True)
    return answer(agent, 201 if is_new else 200)


async def get_agent(agent_id: AgentId, runtime: TheRuntime) -> Agent:
    """Read an agent."""
    return await runtime.registry.agents.get(agent_id)


async def update_agent(agent_id: AgentId, patch: AgentPatch, runtime: TheRuntime) -> Agent:
    """Change the given fields of an agent; its sessions pick up the change at their next turn."""
    return await runtime.registry.agents.update(agent_id, patch)


async def archive_agent(agent_id: AgentId, runtime: TheRuntime) -> None:
    """Archive an agent: it is no longer listed, takes no new sessions, and keeps its old ones."""
    await runtime.registry.agents.archive(agent_id)


def add_routes(router: APIRouter, face: Face) -> None:
    """Add the routes of agents to a face."""
    named = face.names_are_addresses
    router.get("/agents")(listing(face, list_agents))
    router.post(
        "/agents",
        name="create_agent",
        status_code=201,
        response_model=Agent,
        responses={200: {"model": Agent, "description": "The agent was replaced"}},
        openapi_extra=document(
            NamedAgentInput if named else AgentInput,
            {"assistant": EXAMPLE},
        ),
    )(create_named_agent if named else create_agent)
    router.get("/agents/{agent_id}")(get_agent)
    router.patch("/agents/{agent_id}")(update_agent)
    router.delete("/agents/{agent_id}", status_code=204)(archive_agent)
