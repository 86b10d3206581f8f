"""Trying a server out."""

import pytest

from everruns.errors import McpServerUnavailable
from everruns.mcp.probe import Probe
from tests.mcp_server import ScriptedServer, tool


async def test_a_server_says_what_it_offers():
    async with ScriptedServer(tools=[tool("act", description="Acts.")]) as server:
        probed = await Probe(allow_private=True).probe(server.account())
    assert [(found.name, found.description) for found in probed.tools] == [("act", "Acts.")]
    assert probed.protocol_version == "2025-06-18"
    assert (probed.server_name, probed.server_version) == ("scripted", "1")


async def test_a_server_that_cannot_be_used_says_why():
    async with ScriptedServer() as server:
        with pytest.raises(McpServerUnavailable, match="cannot be used"):
            await Probe(allow_private=False).probe(server.account())
