"""Routes that copy agents, export them to documents and import them from documents.

Source: docs/contract.md, "Agents as documents".
"""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.responses import PlainTextResponse

from everruns.api.http.body import check_storable, parse_json
from everruns.api.http.faces import Face
from everruns.api.http.input import is_strict, validate
from everruns.api.http.parameters import AgentId, TheRuntime, runtime_of
from everruns.api.http.requests import KEY_PARAMETER, answer, id_of, id_parameter, read_key
from everruns.api.routes.agents import NamedAgentInput
from everruns.domain.agent_documents import addressed, read_document, write_document
from everruns.domain.agents import Agent, AgentInput
from everruns.errors import InvalidRequest, NotImplementedHere

EXAMPLE = """---
name: research-assistant
capabilities:
- current_time
---
You are a careful research assistant.
"""
# The text decides what the document is, whatever its content type. Some generators of clients know
# bodies of bytes, and not of text.
DOCUMENT = {
    "required": True,
    "content": {
        "text/plain": {
            "schema": {"type": "string", "pattern": r"\S"},
            "examples": {"markdown": {"value": EXAMPLE}},
        },
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    },
}


class Markdown(PlainTextResponse):
    """A document."""

    media_type = "text/markdown"


async def copy_agent(request: Request) -> Response:
    """Copy an agent under an unused name derived from its name."""
    agent_id = id_of(request, "agent")
    agents = runtime_of(request).registry.agents
    return answer(await agents.copy(agent_id, await read_key(request)))


async def import_agent(request: Request) -> Response:
    """Import an agent from a document.

    The document is Markdown with YAML front matter, YAML, JSON, or plain text. Plain text becomes
    the agent's prompt, and the agent's name is derived from it.
    """
    wanted = validate(AgentInput, await _fields_of(request), is_strict=is_strict(request))
    agents = runtime_of(request).registry.agents
    agent, is_new = await agents.create(wanted, await read_key(request))
    return answer(agent, 201 if is_new else 200)


async def import_named_agent(request: Request) -> Response:
    """Import an agent from a document; if an active agent has its name, replace that agent (200).

    The document is Markdown with YAML front matter, YAML, JSON, or plain text. Plain text becomes
    the agent's prompt, and the agent's name is derived from it.
    """
    if "from-example" in request.query_params:
        raise NotImplementedHere("This server has no built-in examples. Import a document instead.")
    fields = addressed(await _fields_of(request))
    wanted = validate(NamedAgentInput, fields, is_strict=is_strict(request))
    agents = runtime_of(request).registry.agents
    agent, is_new = await agents.create(wanted, await read_key(request), by_name=True)
    return answer(agent, 201 if is_new else 200)


async def _fields_of(request: Request) -> dict[str, Any]:
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


async def export_agent(agent_id: AgentId, runtime: TheRuntime) -> Markdown:
    """Export an agent as Markdown with YAML front matter: every field that a client can set."""
    agent = await runtime.registry.agents.get(agent_id)
    return Markdown(await asyncio.to_thread(write_document, agent))


def add_routes(router: APIRouter, face: Face) -> None:
    """Add the routes of copies and documents to a face."""
    named = face.names_are_addresses
    router.post(
        "/agents/{agent_id}/copy",
        status_code=201,
        response_model=Agent,
        openapi_extra={"parameters": [id_parameter("agent"), KEY_PARAMETER]},
    )(copy_agent)
    router.post(
        "/agents/import",
        name="import_agent",
        status_code=201,
        response_model=Agent,
        responses={200: {"model": Agent, "description": "The agent was replaced"}},
        openapi_extra={"parameters": [KEY_PARAMETER], "requestBody": DOCUMENT},
    )(import_named_agent if named else import_agent)
    router.get("/agents/{agent_id}/export", response_class=Markdown)(export_agent)
