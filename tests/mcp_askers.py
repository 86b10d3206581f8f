"""A scripted MCP server with sessions that asks in the middle of its calls."""

from typing import Any

from tests.mcp_server import Exchange, ScriptedServer
from tests.waiting import eventually

FORM: dict[str, Any] = {
    "message": "Which tea?",
    "requestedSchema": {
        "type": "object",
        "properties": {"size": {"type": "string", "enum": ["small", "large"]}},
        "required": ["size"],
    },
}


class AskingServer(ScriptedServer):
    """A server that asks so many times in each call, and returns the responses.

    Args:
        questions: The parameters of each question.
        tools: What it lists.

    Attributes:
        asks: How many questions it has sent.
    """

    def __init__(self, *questions: dict[str, Any], tools: list[Any] | None = None) -> None:
        super().__init__(self._ask, tools)
        self.questions = questions
        self.asks = 0

    async def _ask(self, exchange: Exchange) -> None:
        await exchange.stream()
        responses = [await self.ask(exchange, params) for params in self.questions]
        result = {"content": [], "structuredContent": {"responses": responses}}
        await exchange.event({"id": exchange.message["id"], "result": result})
        exchange.close()

    async def ask(self, exchange: Exchange, params: dict[str, Any]) -> Any:
        """Ask on the stream of a call, and return the response or the error."""
        self.asks += 1
        identity = f"ask-{self.asks}"
        request = {"id": identity, "method": "elicitation/create", "params": params}
        await exchange.event(request)

        def responses() -> list[Any]:
            messages = [seen.message for seen in self.seen if not seen.method]
            return [message for message in messages if message.get("id") == identity]

        await eventually(responses, patience_s=60)
        (response,) = responses()
        return response.get("result") or response["error"]["code"]
