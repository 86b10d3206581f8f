"""Turns that use MCP servers, without the rest of a turn."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from everruns.domain.mcp_servers import McpAccount
from everruns.domain.prepared import Prepared
from everruns.mcp.capability import ServerTools
from everruns.mcp.connections import Connections
from everruns.mcp.limits import Limits
from everruns.tools.base import ToolContext


class NoFiles:
    """A session whose tools use no files."""

    async def read(self, path: str):
        raise AssertionError(path)

    write = list = delete = grep = read


def context(
    allow_private: bool = True, report: Callable[[str], None] = lambda _text: None
) -> ToolContext:
    return ToolContext(
        "session_1",
        NoFiles(),
        "turn_1",
        report_progress=report,
        config={},
        call_id="call_1",
        allow_private_addresses=allow_private,
    )


@dataclass
class Turns:
    """Uses servers as turns do: prepares them, then calls what they offer."""

    connections: Connections
    progress: list[str] = field(default_factory=list)

    def server(self, account: McpAccount) -> ServerTools:
        return ServerTools(account, self.connections)

    async def prepare(self, account: McpAccount, **config: Any) -> Prepared:
        return await self.server(account).prepare(config, context())

    async def call(self, account: McpAccount, name: str = "act", **arguments: Any) -> Any:
        prepared = await self.prepare(account)
        found = next(tool for tool in prepared.tools if tool.reference["tool"] == name)
        return await self.server(account).run(
            found, arguments, context(report=self.progress.append)
        )


@pytest.fixture
def limits() -> Limits:
    """A busy machine takes its time to connect."""
    return Limits(connect_s=60)


@pytest.fixture
async def turns(limits: Limits) -> AsyncIterator[Turns]:
    connections = Connections(limits)
    yield Turns(connections)
    await connections.close()
