"""Asking MCP servers, in the registry's process, what they offer.

Their secrets are there already, so they travel no further.
"""

import asyncio
from time import monotonic
from typing import Protocol

from everruns.domain.base import KIB
from everruns.domain.mcp_servers import McpAccount, McpProbed, McpTested, McpToolInfo
from everruns.errors import EverrunsError, McpServerUnavailable
from everruns.providers.masking import masked
from everruns.registry.places import Places

AT_ONCE = 4
TEST_TIMEOUT_S = 20.0
MAX_LISTED_TOOLS = 1000
MAX_SHOWN_DESCRIPTION = 2 * KIB


class McpProbe(Protocol):
    """Connects to a server once."""

    async def probe(self, account: McpAccount) -> McpProbed:
        """Return what a server says about itself, and its tools.

        Raises:
            EverrunsError: It cannot be reached, or does not speak the protocol. The message says
                what to do.
        """
        ...


class NoMcpClient:
    """Stands in where there is no client; implements ``McpProbe``."""

    async def probe(self, account: McpAccount) -> McpProbed:
        """Refuse.

        Raises:
            McpServerUnavailable: Always.
        """
        raise McpServerUnavailable(
            f"This server cannot connect to MCP servers, so {account.name} was not tested."
        )


class McpInquiries:
    """Asks servers, at most ``AT_ONCE`` at a time.

    Args:
        probe: Connects to them; without it none can be asked.
    """

    def __init__(self, probe: McpProbe | None = None) -> None:
        self._probe = probe or NoMcpClient()
        self._places = Places(AT_ONCE, "MCP servers")

    async def test(self, account: McpAccount) -> McpTested:
        """Connect to a server and list its tools, for at most ``TEST_TIMEOUT_S``.

        Raises:
            Overloaded: Too many are being asked.
        """
        started = monotonic()
        probed, failure = McpProbed(), None
        async with self._places.take():
            try:
                async with asyncio.timeout(TEST_TIMEOUT_S):
                    probed = await self._probe.probe(account)
            except TimeoutError:
                failure = McpServerUnavailable(
                    f"MCP server {account.name} did not answer in {TEST_TIMEOUT_S:g} s. Check its "
                    f"{'command' if account.type == 'stdio' else 'url'}, then test it again."
                )
            except EverrunsError as error:
                failure = error
        secrets = [*account.headers.values(), *account.environment.values()]
        return McpTested(
            ok=failure is None,
            duration_ms=round((monotonic() - started) * 1000),
            code=failure.code if failure else None,
            message=masked(failure.message, *secrets) if failure else _told(account, probed),
            server_name=probed.server_name,
            server_version=probed.server_version,
            protocol_version=probed.protocol_version,
            tools=[_shortened(tool) for tool in probed.tools[:MAX_LISTED_TOOLS]],
        )


def _told(account: McpAccount, probed: McpProbed) -> str:
    count = len(probed.tools)
    tools = "1 tool" if count == 1 else f"{count} tools"
    cut = f", of which the first {MAX_LISTED_TOOLS} are listed" if count > MAX_LISTED_TOOLS else ""
    return f"MCP server {account.name} offers {tools}{cut}."


def _shortened(tool: McpToolInfo) -> McpToolInfo:
    if len(tool.description or "") <= MAX_SHOWN_DESCRIPTION:
        return tool
    shown = f"{(tool.description or '')[:MAX_SHOWN_DESCRIPTION]}…"
    return tool.model_copy(update={"description": shown})
