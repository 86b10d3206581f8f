"""Tool calls that are held for a decision, as their client sees them."""

from typing import Any

from everruns.tools.base import Tool
from everruns.tools.function import tool
from tests.conversations import Conversation


class Kit:
    """Tools that note what they did."""

    def __init__(self) -> None:
        self.done: list[str] = []
        done = self.done

        @tool(destructive=True)
        async def destroy(what: str) -> str:
            """Destroy something."""
            done.append(what)
            return "destroyed"

        @tool()
        async def write(what: str) -> str:
            """Write something."""
            done.append(what)
            return "written"

        @tool(repeatable=True)
        async def look() -> str:
            """Look."""
            done.append("look")
            return "seen"

        self.tools: list[Tool] = [destroy, write, look]


async def held(talk: Conversation, count: int = 1) -> list[dict[str, Any]]:
    """Wait until so many calls have been held; return all that was asked about them."""
    async with talk.reading() as reader:
        await reader.until(
            lambda: sum(event.data.get("status") == "requested" for event in reader.events) >= count
        )
    session = await talk.runtime.registry.sessions.get(talk.id)
    assert session.status == "waitingfortoolresults"
    requests = await talk.data_of("tool.approval")
    return [request for request in requests if request["status"] == "requested"]


async def results(talk: Conversation) -> dict[str, Any]:
    """What came of each call: its result, or why there is none."""
    stored = await talk.data_of("tool.result")
    return {data["tool_call_id"]: data.get("error") or data["result"] for data in stored}
