"""Testing MCP servers: what came of asking one what it offers."""

import asyncio

import pytest
from pydantic import SecretStr

from everruns.domain.mcp_servers import McpAccount, McpProbed, McpToolInfo
from everruns.errors import EverrunsError, McpServerUnavailable, Overloaded
from everruns.registry import mcp_inquiries
from everruns.registry.mcp_inquiries import AT_ONCE, MAX_LISTED_TOOLS, McpInquiries

KEY = "tickets-secret-0001"
SERVER = McpAccount(
    name="tickets", url="https://tickets.example.com/mcp", headers={"x-key": SecretStr(KEY)}
)
OFFERED = McpProbed(
    server_name="Tickets",
    server_version="2.1",
    protocol_version="2025-11-25",
    tools=[McpToolInfo(name="open", description="Opens a ticket.")],
)


class Probe:
    """Answers as it is told, once it is let go."""

    def __init__(self, answer: McpProbed | EverrunsError, *, is_held: bool = False) -> None:
        self._answer = answer
        self.go = asyncio.Event()
        self.asked = 0
        if not is_held:
            self.go.set()

    async def probe(self, account: McpAccount) -> McpProbed:
        assert account == SERVER
        self.asked += 1
        await self.go.wait()
        if isinstance(self._answer, EverrunsError):
            raise self._answer
        return self._answer


async def test_a_server_that_answers_is_shown_with_its_tools():
    tested = await McpInquiries(Probe(OFFERED)).test(SERVER)
    assert tested.ok
    assert tested.message == "MCP server tickets offers 1 tool."
    assert (tested.server_name, tested.server_version) == ("Tickets", "2.1")
    assert (tested.protocol_version, tested.tools) == ("2025-11-25", OFFERED.tools)


async def test_what_is_wrong_is_told_without_secrets():
    failure = McpServerUnavailable(f"The server said: bad key {KEY}.")
    tested = await McpInquiries(Probe(failure)).test(SERVER)
    assert (tested.ok, tested.code, tested.tools) == (False, "MCP_SERVER_UNAVAILABLE", [])
    assert tested.message == "The server said: bad key ***."


async def test_a_server_that_is_silent_is_told_in_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mcp_inquiries, "TEST_TIMEOUT_S", 0.01)
    tested = await McpInquiries(Probe(OFFERED, is_held=True)).test(SERVER)
    assert (tested.ok, tested.code) == (False, "MCP_SERVER_UNAVAILABLE")
    assert "did not answer in 0.01 s. Check its url" in tested.message


async def test_a_server_of_too_many_words_is_cut():
    tools = [McpToolInfo(name=str(n), description="x" * 9000) for n in range(MAX_LISTED_TOOLS + 5)]
    tested = await McpInquiries(Probe(McpProbed(tools=tools))).test(SERVER)
    assert len(tested.tools) == MAX_LISTED_TOOLS
    assert tested.message.endswith("1005 tools, of which the first 1000 are listed.")
    assert all(len(tool.description or "") < 3000 for tool in tested.tools)


async def test_only_some_servers_are_asked_at_a_time():
    probe = Probe(OFFERED, is_held=True)
    inquiries = McpInquiries(probe)
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(inquiries.test(SERVER)) for _ in range(AT_ONCE)]
        while probe.asked < AT_ONCE:
            await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="MCP servers"):
            await inquiries.test(SERVER)
        probe.go.set()
    assert all(task.result().ok for task in running)


async def test_without_a_client_none_can_be_asked():
    tested = await McpInquiries().test(SERVER)
    assert (tested.ok, tested.code) == (False, "MCP_SERVER_UNAVAILABLE")
    assert "cannot connect to MCP servers" in tested.message
