"""everruns_reports.py: the reports of a company's reporting service, each as a tool."""

from typing import Any

import httpx

from everruns.capabilities.base import Capability
from everruns.domain.prepared import Prepared, PreparedTool
from everruns.domain.tools import ToolDefinition
from everruns.tools.base import SessionContext, ToolContext, ToolError


class Reports:
    """Asks the service which reports there are, and runs them."""

    async def prepare(self, config: dict[str, Any], session: SessionContext) -> Prepared:
        """Return a tool for each report that the session's user may see."""
        found = await _get(f"{config['url']}/reports", user=session.end_user or "")
        tools = [
            PreparedTool(
                definition=ToolDefinition(
                    type="builtin",
                    name=f"report_{report['id']}",
                    description=report["title"],
                    parameters=report["parameters"],
                ),
                reads_only=True,
                reference=report["id"],
            )
            for report in found
        ]
        return Prepared(tools=sorted(tools, key=lambda tool: tool.definition.name))

    async def run(self, tool: PreparedTool, arguments: dict[str, Any], context: ToolContext) -> Any:
        """Run a report."""
        url = f"{context.config['url']}/reports/{tool.reference}"
        return await _get(url, user=context.end_user or "", **arguments)


async def _get(url: str, **parameters: Any) -> Any:
    try:
        async with httpx.AsyncClient(timeout=10) as service:
            answer = await service.get(url, params=parameters)
    except httpx.HTTPError:
        raise ToolError("the reporting service cannot be reached") from None
    if answer.status_code != 200:
        raise ToolError(f"the reporting service answered with status {answer.status_code}")
    return answer.json()


REPORTS = Capability(
    id="reports",
    name="Reports",
    description="Lets the agent run the company's reports.",
    preparation=Reports(),
    config_schema={
        "type": "object",
        "properties": {"url": {"type": "string"}},
        "required": ["url"],
        "additionalProperties": False,
    },
)
