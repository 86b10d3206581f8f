"""A runtime with an MCP server that wants OAuth, and people who come back from its consent page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2

from everruns.api.app import create_app
from everruns.capabilities.registry import load_capabilities
from everruns.domain.agents import AgentInput
from everruns.domain.mcp_authorizations import Subject
from everruns.domain.mcp_servers import McpServer, McpServerInput
from everruns.domain.questions import QuestionAnswers
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings
from everruns.storage.memory.store import MemoryStore
from tests.conversations import Conversation
from tests.oauth_server import OAuthServer
from tests.scripts import ScriptedDriver, call, calls, local_runtime, says

CONNECT, ACT = "mcp_desk__connect", "mcp_desk__act"


class Desk:
    """A runtime with the server ``desk`` in its catalogue, and an agent that uses it."""

    def __init__(self, runtime: LocalRuntime, server: McpServer, agent_id: str) -> None:
        self.runtime = runtime
        self.server = server
        self.agent_id = agent_id

    async def talk(self, end_user: str | None = "ada") -> Conversation:
        return await Conversation.begin(self.runtime, agent_id=self.agent_id, end_user=end_user)

    def subject(self, end_user: str | None = "ada") -> Subject:
        return Subject.of(self.agent_id, end_user)

    async def address(self, end_user: str | None = "ada") -> str:
        """Return an address at which a user can consent."""
        authorizations = self.runtime.mcp_authorizations
        consent = await authorizations.begin(self.server.id, self.subject(end_user))
        return consent.authorization_url

    async def connect(self, end_user: str | None = "ada") -> None:
        page = await self.open(await self.address(end_user))
        assert page.status_code == 200, page.text

    async def open(self, address: str) -> httpx.Response:
        """Open an address as a browser does, and follow it back to this server."""
        return await self.come_back(await consented(address))

    async def come_back(self, location: str) -> httpx.Response:
        app = create_app(self.runtime, Settings(auth="api_keys"), load_capabilities())
        headers = {
            "Sec-Fetch-Site": "cross-site",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "document",
        }
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, headers=headers) as browser:
            return await browser.get(location)

    async def standing(self) -> list[tuple[str | None, str]]:
        found = await self.runtime.mcp_authorizations.list(self.server.id)
        return [(one.end_user, one.status) for one in found]


async def consented(address: str) -> str:
    """Open a page of consent, and return where it sends the browser."""
    async with httpx2.AsyncClient() as browser:
        return (await browser.get(address)).headers["location"]


@asynccontextmanager
async def desk_with(
    driver: ScriptedDriver, oauth: OAuthServer, store: MemoryStore | None = None, **auth: Any
) -> AsyncIterator[Desk]:
    async with local_runtime(driver, allow_private_addresses=True, store=store) as runtime:
        known = await runtime.mcp_servers.list()
        server = known[0] if known else await runtime.mcp_servers.create(entry(oauth, **auth))
        made = {"name": "clerk", "capabilities": ["mcp:desk"]}
        agent, _ = await runtime.registry.agents.create(
            AgentInput.model_validate(made), by_name=True
        )
        yield Desk(runtime, server, agent.id)


def entry(oauth: OAuthServer, **auth: Any) -> McpServerInput:
    fields = {"name": "desk", "url": oauth.url, "auth": auth}
    return McpServerInput.model_validate(fields)


async def asked(talk: Conversation, count: int = 1) -> tuple[str, str]:
    """Wait until the user was asked so many times; return the last question's id and address."""
    async with talk.reading() as reader:
        await reader.until(
            lambda: sum(bool(event.data.get("client_side")) for event in reader.events) >= count
        )
    requests = [data for data in await talk.data_of("tool.call") if data.get("client_side")]
    (question,) = requests[-1]["tool_call"]["arguments"]["questions"]
    assert [option["label"] for option in question["options"]] == ["Done", "Cancel"]
    address = next(word for word in question["question"].split() if word.startswith("http"))
    return question["id"], address


async def answer(talk: Conversation, question: str, label: str) -> None:
    answers = [{"id": question, "selected": [label]}]
    given = QuestionAnswers.model_validate({"answers": answers})
    await talk.runtime.sessions.take(talk.id, given)


async def results(talk: Conversation) -> list[Any]:
    return [data.get("result", data.get("error")) for data in await talk.data_of("tool.result")]


def names(driver: ScriptedDriver, request: int = -1) -> list[str]:
    return [offered.name for offered in driver.requests[request].tools]


def acting(*answers: str) -> ScriptedDriver:
    """A model that calls ``act`` once for each answer."""
    steps = [
        step
        for number, said in enumerate(answers)
        for step in (calls(call(ACT, f"c{number}")), says(said))
    ]
    return ScriptedDriver(*steps)
