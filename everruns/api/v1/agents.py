"""Routes that create and import agents on `/v1`, where ids alone identify them.

Source: docs/contract.md, "Resources", Agent, and "Agents as documents".
"""

from fastapi import Request, Response

from everruns.api.http.input import validate
from everruns.api.http.reads import Reads
from everruns.api.http.requests import read_body
from everruns.api.http.routes import Routes
from everruns.api.routes.agent_documents import DOCUMENT, fields_of_document
from everruns.api.routes.agents import EXAMPLE, REPLACED, create
from everruns.domain.agents import Agent, AgentInput

routes = Routes("agents")
documents = Routes("agent_documents")


@routes.add(
    "POST /agents",
    status_code=201,
    response_model=Agent,
    responses=REPLACED,
    reads=Reads(AgentInput, {"assistant": EXAMPLE}, is_keyed=True),
)
async def create_agent(request: Request) -> Response:
    """Create an agent; if an agent with this `id` exists, replace it (200)."""
    return await create(request, await read_body(request, AgentInput))


@documents.add(
    "POST /agents/import",
    status_code=201,
    response_model=Agent,
    responses=REPLACED,
    reads=Reads(content=DOCUMENT, is_keyed=True),
)
async def import_agent(request: Request) -> Response:
    """Import an agent from a document.

    The document is Markdown with YAML front matter, YAML, JSON, or plain text. Plain text becomes
    the agent's prompt, and the agent's name is derived from it.
    """
    fields = await fields_of_document(request)
    return await create(request, validate(AgentInput, fields, is_strict=True))
