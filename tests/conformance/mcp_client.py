"""Our MCP client as the conformance suite drives it: prepares a server and calls its tools.

The suite starts this program for each scenario, with the server's address as the last argument.
Authorizations are those of a registry, in the steps in which people and processes take them.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp_types import ElicitRequestParams, ElicitResult
from pydantic import SecretStr

from everruns.capabilities.registry import load_capabilities
from everruns.domain.mcp_authorizations import Subject
from everruns.domain.mcp_servers import McpAccount, McpServerInput
from everruns.errors import EverrunsError
from everruns.mcp.call import Call
from everruns.mcp.connections import Connections
from everruns.mcp.failures import InputRequired, NotAuthorized
from everruns.mcp.oauth.client import OAuthClient
from everruns.mcp.offer import offer
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.storage.memory.store import MemoryStore
from everruns.tools.base import ToolError

SCENARIO = os.environ["MCP_CONFORMANCE_SCENARIO"]
CONTEXT: dict[str, Any] = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
CLIENT_METADATA_URL = "https://conformance-test.local/client-metadata.json"
REDIRECT_URL = "http://localhost:3000/callback"
ADA = Subject("agent", "ada")
# As often as a call may ask a person.
MAX_CONSENTS = 3

Result = TypeVar("Result")


async def accept_defaults(asked: ElicitRequestParams) -> ElicitResult:
    properties: dict[str, Any] = getattr(asked, "requested_schema", {}).get("properties", {})
    content = {name: field["default"] for name, field in properties.items() if "default" in field}
    return ElicitResult(action="accept", content=content)


def auth() -> dict[str, Any] | None:
    """Return what the entry of the suite's server says of its authorization."""
    if not SCENARIO.startswith("auth/"):
        return None
    if SCENARIO == "auth/client-credentials-basic":
        given = {name: CONTEXT[name] for name in ("client_id", "client_secret", "issuer")}
        return {"acts_as": "service", **given}
    known = ("client_id", "client_secret", "issuer")
    given = {name: CONTEXT[name] for name in known if name in CONTEXT}
    return given if len(given) == len(known) else {}


class Suite:
    """The suite's server, and the person who consents to everything."""

    def __init__(self, registry: Registry, account: McpAccount, connections: Connections) -> None:
        self.registry = registry
        self.account = account
        self.connections = connections

    async def with_consent(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """Do something, and consent whenever that is needed."""
        for _ in range(MAX_CONSENTS):
            try:
                return await attempt()
            except NotAuthorized as needed:
                await self.consent(needed.scope)
        return await attempt()

    async def consent(self, scope: str | None) -> None:
        authorizations = self.registry.mcp_authorizations
        consent = await authorizations.begin(self.account.id or "", ADA, None, scope)
        async with httpx2.AsyncClient() as browser:
            location = (await browser.get(consent.authorization_url)).headers["location"]
        query = parse_qs(urlsplit(location).query)
        first = {name: values[0] for name, values in query.items()}
        home = await authorizations.come_back(
            first["state"], SecretStr(first["code"]), first.get("iss"), None
        )
        if home.outcome != "connected":
            raise ToolError(home.reason)

    async def tools(self) -> list[tuple[str, dict[str, Any]]]:
        async def listed():
            return await self.connections.listing(self.account, True, ADA)

        prepared = offer(self.account, await self.with_consent(listed), {}, 60)
        return [
            (tool.reference["tool"], arguments_of(tool.definition.parameters))
            for tool in prepared.tools
        ]

    async def call(self, wanted: Call) -> None:
        """Call a tool as often as it asks for answers, up to a few times."""
        for _ in range(5):
            try:
                await self.with_consent(lambda call=wanted: self._call(call))
                return
            except InputRequired as asked:
                answers = {
                    key: {"action": "accept", "content": {"confirmed": True}}
                    for key in asked.requests
                }
                wanted = Call(wanted.tool, wanted.arguments, answers or None, asked.state)

    async def _call(self, wanted: Call) -> None:
        await self.connections.call(
            self.account, wanted, repeatable=False, allow_private=True, subject=ADA
        )


@asynccontextmanager
async def suite(url: str) -> AsyncIterator[Suite]:
    client = OAuthClient(
        allow_private=True, redirect_url=REDIRECT_URL, client_metadata_url=CLIENT_METADATA_URL
    )
    placement = Placement(1, warm_hosts=1, max_hosts=1)
    registry = Registry(MemoryStore(), load_capabilities(), placement, mcp_oauth=client)
    entry = {"name": "suite", "url": url, "auth": auth()}
    await registry.mcp_servers.create(McpServerInput.model_validate(entry))
    (account,) = await registry.mcp_servers.accounts()
    elicit = None if account.acts_as else accept_defaults
    connections = Connections(elicit=elicit, authorizations=registry.mcp_authorizations)
    try:
        yield Suite(registry, account, connections)
    finally:
        await connections.close()
        await registry.close()


def arguments_of(schema: dict[str, Any]) -> dict[str, Any]:
    """Return simple arguments that a schema takes."""
    samples = {"number": 5, "integer": 5, "string": "test", "boolean": True}
    return {
        name: samples.get(field.get("type"), "test")
        for name, field in schema.get("properties", {}).items()
    }


async def main(url: str) -> None:
    async with suite(url) as opened:
        offered = await opened.tools()
        calls = [
            (given["name"], given.get("arguments", {})) for given in CONTEXT.get("toolCalls", [])
        ]
        for name, arguments in (calls or offered) if SCENARIO != "initialize" else []:
            try:
                await opened.call(Call(name, arguments))
            except (ToolError, EverrunsError) as error:
                print(name, error, file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[-1]))
