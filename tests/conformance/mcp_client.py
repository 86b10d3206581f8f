"""Our MCP client as the conformance suite drives it: prepares a server and calls its tools.

The suite starts this program for each scenario, with the server's address as the last argument.
"""

import asyncio
import json
import os
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp_types import ElicitRequestParams, ElicitResult

from everruns.domain.mcp_servers import McpAccount
from everruns.mcp.call import Call
from everruns.mcp.connections import Connections
from everruns.mcp.failures import InputRequired
from everruns.mcp.oauth import Consent, known_client, service_authorization, user_authorization
from everruns.mcp.offer import offer
from everruns.tools.base import ToolError

SCENARIO = os.environ["MCP_CONFORMANCE_SCENARIO"]
CONTEXT: dict[str, Any] = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
CLIENT_METADATA_URL = "https://conformance-test.local/client-metadata.json"
REDIRECT_URL = "http://localhost:3000/callback"


class Tokens:
    """A store of tokens that lasts as long as the process."""

    def __init__(self) -> None:
        self._saved: dict[str, str] = {}

    async def load(self, key: str) -> str | None:
        return self._saved.get(key)

    async def save(self, key: str, value: str) -> None:
        self._saved[key] = value


async def consent(url: str) -> Consent:
    """Consent like a person who says yes to everything: the suite redirects at once."""
    async with httpx2.AsyncClient() as browser:
        location = (await browser.get(url)).headers["location"]
    query = parse_qs(urlsplit(location).query)
    first = {name: values[0] for name, values in query.items()}
    return Consent(first["code"], first.get("state"), first.get("iss"))


async def accept_defaults(asked: ElicitRequestParams) -> ElicitResult:
    properties: dict[str, Any] = getattr(asked, "requested_schema", {}).get("properties", {})
    content = {name: field["default"] for name, field in properties.items() if "default" in field}
    return ElicitResult(action="accept", content=content)


async def connections(account: McpAccount) -> Connections:
    if not SCENARIO.startswith("auth/"):
        return Connections(elicit=accept_defaults)
    tokens = Tokens()
    if SCENARIO == "auth/client-credentials-basic":
        authorization = service_authorization(
            account,
            tokens,
            CONTEXT["client_id"],
            CONTEXT["client_secret"],
            CONTEXT.get("issuer", ""),
        )
    else:
        if "client_id" in CONTEXT and "client_secret" in CONTEXT:
            known = (CONTEXT["client_id"], CONTEXT["client_secret"])
            await known_client(account, "ada", tokens, *known)
        authorization = user_authorization(
            account, "ada", tokens, consent, REDIRECT_URL, CLIENT_METADATA_URL
        )
    return Connections(authorize=lambda _account, _user: authorization)


def arguments_of(schema: dict[str, Any]) -> dict[str, Any]:
    """Return simple arguments that a schema takes."""
    samples = {"number": 5, "integer": 5, "string": "test", "boolean": True}
    return {
        name: samples.get(field.get("type"), "test")
        for name, field in schema.get("properties", {}).items()
    }


async def call(opened: Connections, account: McpAccount, wanted: Call) -> None:
    """Call a tool as often as it asks for answers, up to a few times."""
    for _ in range(5):
        try:
            await opened.call(account, wanted, repeatable=False, allow_private=True, end_user="ada")
            return
        except InputRequired as asked:
            answers = {
                key: {"action": "accept", "content": {"confirmed": True}} for key in asked.requests
            }
            wanted = Call(wanted.tool, wanted.arguments, answers or None, asked.state)


async def main(url: str) -> None:
    account = McpAccount(name="suite", url=url)
    opened = await connections(account)
    try:
        prepared = offer(account, await opened.listing(account, True, "ada"), {}, 60)
        calls = [
            (given["name"], given.get("arguments", {})) for given in CONTEXT.get("toolCalls", [])
        ]
        calls = calls or [
            (tool.reference["tool"], arguments_of(tool.definition.parameters))
            for tool in prepared.tools
        ]
        for name, arguments in calls if SCENARIO != "initialize" else []:
            try:
                await call(opened, account, Call(name, arguments))
            except ToolError as error:
                print(name, error, file=sys.stderr)
    finally:
        await opened.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[-1]))
