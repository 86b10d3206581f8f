"""Routes of agents.

Source: docs/contract.md, "Resources", Agent.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import Field

from everruns.api.http.answers import answer
from everruns.api.http.pages import page_of
from everruns.api.http.parameters import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    AgentId,
    Limit,
    Offset,
    Search,
    TheRuntime,
    Truth,
    runtime_of,
)
from everruns.api.http.requests import read_key
from everruns.api.http.routes import Routes
from everruns.api.http.senders import TheGrant
from everruns.domain.agents import Agent, AgentInput, AgentPatch, ListedAgent
from everruns.domain.base import Page
from everruns.domain.rights import AgentRef, Grant
from everruns.runtime.runtime import Runtime
from everruns.storage.agents import AgentQuery
from everruns.storage.sessions import AgentSessions

EXAMPLE = {
    "name": "research-assistant",
    "system_prompt": "You are a careful research assistant.",
    "capabilities": ["current_time", {"ref": "web_fetch"}],
    "tags": ["demo"],
}
REPLACED: dict[int | str, dict[str, Any]] = {
    200: {"model": Agent, "description": "The agent was replaced"}
}
WithIds = Annotated[
    list[AgentRef],
    Field(max_length=MAX_LIMIT),
    Query(
        alias="id",
        description="Only agents with this id, archived ones too; repeat it for several.",
    ),
]

routes = Routes("agents")


@routes.add("GET /agents", "read_agents", keeps_scope=True)
async def list_agents(
    runtime: TheRuntime,
    grant: TheGrant,
    ids: WithIds = [],  # noqa: B006 - the framework copies it, and wants a list
    search: Search = None,
    session_counts: Annotated[
        Truth, Query(description="Whether to count the sessions of each agent.")
    ] = False,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[ListedAgent]:
    """List the active agents, or those with the given ids, newest first."""
    query = AgentQuery(ids=ids, search=search, offset=offset, limit=limit)
    page = await (runtime.agents.list(query) if grant is None else _granted(runtime, grant, query))
    counts: Mapping[str, AgentSessions] | None = None
    if session_counts:
        if grant is not None:
            grant.require("read")
        agent_ids = [agent.id for agent in page.data]
        counts = await runtime.sessions.count_by_agent(agent_ids, grant)
    listed = [_listed(agent, counts) for agent in page.data]
    return Page(data=listed, total=page.total, offset=page.offset, limit=page.limit)


async def _granted(runtime: Runtime, grant: Grant, query: AgentQuery) -> Page[Agent]:
    """Return a page of the agents of a grant."""
    wanted = [each for each in grant.agent_ids if not query.ids or each in query.ids]
    found = [await runtime.agents.find(identity) for identity in wanted]
    agents = [
        agent for agent in found if agent is not None and (query.ids or agent.status == "active")
    ]
    agents.sort(key=lambda agent: (agent.created_at, agent.id), reverse=True)
    return page_of(agents, query.offset, query.limit, query.search, _searched)


def _listed(agent: Agent, counts: Mapping[str, AgentSessions] | None) -> ListedAgent:
    listed = ListedAgent.model_construct(**dict(agent))
    if counts is None:
        return listed
    count = counts.get(agent.id, AgentSessions(0, 0))
    changes = {"session_count": count.stored, "active_session_count": count.open}
    return listed.model_copy(update=changes)


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
