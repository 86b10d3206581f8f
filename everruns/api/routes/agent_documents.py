"""Routes that copy agents and export them to documents; reading the documents that are imported.

Source: docs/contract.md, "Agents as documents".
"""

import asyncio
from typing import Any

from fastapi import Request, Response
from starlette.responses import PlainTextResponse

from everruns.api.http.answers import answer
from everruns.api.http.body import check_storable, parse_json
from everruns.api.http.parameters import AgentId, TheRuntime, runtime_of
from everruns.api.http.reads import Reads
from everruns.api.http.requests import id_of, read_key
from everruns.api.http.routes import Routes
from everruns.domain.agent_documents import read_document, write_document
from everruns.domain.agents import Agent
from everruns.errors import InvalidRequest

EXAMPLE = """---
name: research-assistant
capabilities:
- current_time
---
You are a careful research assistant.
"""
# The text decides what the document is, whatever its content type. Some generators of clients know
# bodies of bytes, and not of text.
DOCUMENT: dict[str, Any] = {
    "text/plain": {
        "schema": {"type": "string", "pattern": r"\S"},
        "examples": {"markdown": {"value": EXAMPLE}},
    },
    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
}

routes = Routes("agent_documents")


class Markdown(PlainTextResponse):
    """A document."""

    media_type = "text/markdown"


@routes.add(
    "POST /agents/{agent_id}/copy",
    status_code=201,
    response_model=Agent,
    reads=Reads(ids=["agent"], is_keyed=True),
)
async def copy_agent(request: Request) -> Response:
    """Copy an agent under an unused name derived from its name."""
    agent_id = id_of(request, "agent")
    agents = runtime_of(request).agents
    return answer(await agents.copy(agent_id, await read_key(request)))


@routes.add("GET /agents/{agent_id}/export", "read_agents", response_class=Markdown)
async def export_agent(agent_id: AgentId, runtime: TheRuntime) -> Markdown:
    """Export an agent as Markdown with YAML front matter: every field that a client can set."""
    agent = await runtime.agents.get(agent_id)
    return Markdown(await asyncio.to_thread(write_document, agent))


async def fields_of_document(request: Request) -> dict[str, Any]:
    """Return the fields of an agent that a request's body documents.

    Raises:
        InvalidRequest: It is not UTF-8, or not a document.
        TooLarge: It is over the limit.
    """
    # Parsing a long document takes a while.
    return await asyncio.to_thread(_read_fields, await request.body())


def _read_fields(body: bytes) -> dict[str, Any]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"body: byte {error.start} is not UTF-8: {error.reason}") from None
    if text.lstrip().startswith("{"):
        return parse_json(text.encode())
    fields = read_document(text)
    check_storable(fields)
    return fields
