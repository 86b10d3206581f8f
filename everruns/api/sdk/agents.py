"""Routes that create and import agents on the SDK's face, where names identify them too.

Source: docs/contract.md, "Agents as documents"; docs/sdk.md, "Calls".
"""

from typing import Annotated

from fastapi import Request, Response
from pydantic import Field

from everruns.api.http.input import validate
from everruns.api.http.reads import Reads
from everruns.api.http.requests import read_body
from everruns.api.http.routes import Routes
from everruns.api.routes.agent_documents import DOCUMENT, fields_of_document
from everruns.api.routes.agents import EXAMPLE, REPLACED, create
from everruns.domain.agent_documents import addressed
from everruns.domain.agents import Agent, AgentInput
from everruns.domain.forms import SLUG
from everruns.domain.slugs import MAX_SLUG
from everruns.errors import NotImplementedHere

routes = Routes("agents")
documents = Routes("agent_documents")


class NamedAgentInput(AgentInput):
    """Creates an agent, or replaces the active agent of the same name."""

    name: Annotated[str, Field(pattern=SLUG, max_length=MAX_SLUG)]


@routes.add(
    "POST /agents",
    status_code=201,
    response_model=Agent,
    responses=REPLACED,
    reads=Reads(NamedAgentInput, {"assistant": EXAMPLE}, is_keyed=True),
)
async def create_agent(request: Request) -> Response:
    """Create an agent; if an active agent has this `id` or name, replace it (200)."""
    return await create(request, await read_body(request, NamedAgentInput), by_name=True)


@documents.add(
    "POST /agents/import",
    status_code=201,
    response_model=Agent,
    responses=REPLACED,
    reads=Reads(content=DOCUMENT, is_keyed=True),
)
async def import_agent(request: Request) -> Response:
    """Import an agent from a document; if an active agent has its name, replace that agent (200).

    The document is Markdown with YAML front matter, YAML, JSON, or plain text. Plain text becomes
    the agent's prompt, and the agent's name is derived from it.
    """
    if "from-example" in request.query_params:
        raise NotImplementedHere("This server has no built-in examples. Import a document instead.")
    fields = addressed(await fields_of_document(request))
    return await create(request, validate(NamedAgentInput, fields), by_name=True)
