"""The program of an MCP server, built with the protocol's library; ``desk.py`` runs it.

Its tools report to the test's own server and wait there while the test holds them, as those of
``plugin.py`` do. Some ask the user something first, in the stateless way (``input_required``).
"""

import os
import sys

import httpx
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp_types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult, ToolAnnotations

HELD_AT_MOST_S = 120.0
ROW = {"type": "object", "properties": {"row": {"type": "string"}}, "required": ["row"]}

server = MCPServer("desk")


@server.tool(annotations=ToolAnnotations(read_only_hint=True), structured_output=False)
async def look(reference: str) -> str:
    """Look; looking twice does no harm."""
    return await report("look", reference)


@server.tool(structured_output=False)
async def pay(reference: str) -> str:
    """Pay; paying twice does harm."""
    return await report("pay", reference)


@server.tool(structured_output=False)
async def book(reference: str, context: Context) -> str | InputRequiredResult:
    """Book a seat; booking it twice does harm."""
    return await with_row("book", reference, context)


@server.tool(annotations=ToolAnnotations(idempotent_hint=True), structured_output=False)
async def reserve(reference: str, context: Context) -> str | InputRequiredResult:
    """Reserve a seat; reserving it twice does no harm."""
    return await with_row("reserve", reference, context)


async def with_row(tool: str, reference: str, context: Context) -> str | InputRequiredResult:
    """Do what a tool does once the user has said in which row."""
    if context.input_responses is None:
        await report("ask", reference)
        asked = ElicitRequestFormParams(message="Where do you sit?", requested_schema=ROW)
        return InputRequiredResult(
            input_requests={"seat": ElicitRequest(params=asked)}, request_state=reference
        )
    assert context.request_state == reference
    row = context.input_responses["seat"].model_dump()["content"]["row"]
    return f"{await report(tool, reference)} in row {row}"


async def report(tool: str, reference: str) -> str:
    """Tell the test that a tool runs, and wait while it is held."""
    async with httpx.AsyncClient(timeout=HELD_AT_MOST_S) as client:
        told = {"reference": reference, "pid": os.getpid()}
        answer = await client.post(f"{os.environ['FAULT_TOOLS_URL']}/{tool}", json=told)
        answer.raise_for_status()
    return f"{tool} done"


if __name__ == "__main__":
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
