"""An agent with more tools than it is shown, and what becomes of its turn."""

from dataclasses import dataclass
from typing import Any

from everruns.domain.deferred_tools import CALL_TOOL
from everruns.domain.messages import ToolCallPart
from everruns.domain.prepared import Prepared, PreparedTool
from everruns.domain.suspensions import Suspension
from everruns.domain.tools import ToolCall, ToolDefinition, ToolPolicy
from everruns.providers.base import ModelRequest
from everruns.runtime.local import LocalRuntime
from everruns.tools.base import SessionContext, Suspend, ToolContext, ToolError
from tests.conversations import Conversation
from tests.scripts import Gate, ScriptedDriver, Step, local_runtime, says

NOUNS = ("issue", "invoice", "customer", "branch", "ticket", "shipment", "calendar", "contract")
VERBS = ("create", "list", "close", "update", "delete", "export")


PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "integer", "description": "Which one, by its number."},
        "reason": {"type": "string", "description": "Why, in a few words."},
    },
    "required": ["id"],
    "additionalProperties": False,
}


def tool_named(
    name: str, policy: ToolPolicy = "auto", parameters: dict[str, Any] = PARAMETERS, **fields: Any
) -> PreparedTool:
    verb, _, noun = name.partition("_")
    definition = ToolDefinition(
        type="builtin",
        name=name,
        description=f"{verb.capitalize()} one {noun} of the account, and say what became of it.",
        parameters=parameters,
        policy=policy,
    )
    return PreparedTool(definition=definition, reference=name, **fields)


class Warehouse:
    """A service with many tools.

    Attributes:
        offers: The tools, turn by turn; the last stay.
        ran: What ran: the tool, its arguments and the call.
    """

    def __init__(self, *offers: list[PreparedTool], at: Gate | None = None) -> None:
        self.offers = list(offers) or [many()]
        self.ran: list[tuple[str, dict[str, Any], str]] = []
        self.prepared = 0
        self._at = at

    async def prepare(self, config: dict[str, Any], session: SessionContext) -> Prepared:
        del config, session
        self.prepared += 1
        return Prepared(tools=self.offers.pop(0) if len(self.offers) > 1 else self.offers[0])

    async def run(self, tool: PreparedTool, arguments: dict[str, Any], context: ToolContext) -> Any:
        self.ran.append((tool.reference, arguments, context.call_id))
        if self._at:
            await self._at.pass_through()
        if tool.reference == "update_contract" and context.resumption is None:
            raise Suspend(Suspension(state=1, resume_after_seconds=0.01))
        if tool.reference == "delete_branch":
            raise ToolError("The branch is protected.")
        context.report_progress("half of it")
        return {"done": tool.reference}


def many(count: int = 60, **fields: Any) -> list[PreparedTool]:
    """Return tools whose names begin with those that are a verb and a noun."""
    pairs = [f"{verb}_{noun}" for noun in NOUNS for verb in VERBS]
    names = [*pairs, *(f"measure_sensor_{number}" for number in range(count - len(pairs)))]
    return [tool_named(name, **fields) for name in names[:count]]


def by_call_tool(name: str, call_id: str = "c1", **arguments: Any) -> ToolCall:
    outer = {"name": name, "arguments": arguments}
    return ToolCall(id=call_id, name=CALL_TOOL, arguments=outer)


def names(request: ModelRequest) -> list[str]:
    """The tools that a model is shown."""
    return [tool.name for tool in request.tools]


def said_calls(request: ModelRequest) -> list[tuple[str, dict[str, Any]]]:
    """The calls of the answers that a model is shown."""
    return [
        (part.name, part.arguments)
        for message in request.messages
        for part in message.content
        if isinstance(part, ToolCallPart)
    ]


async def begin(runtime: LocalRuntime, *more: Any, **fields: Any) -> Conversation:
    return await Conversation.begin(runtime, capabilities=["kit", *more], **fields)


@dataclass(frozen=True)
class Told:
    """What a turn has left.

    Attributes:
        called: The data of its ``tool.call`` events.
        results: The data of its ``tool.result`` events.
        ran: What the service ran.
        requests: What the model was sent.
    """

    called: list[dict[str, Any]]
    results: list[dict[str, Any]]
    ran: list[tuple[str, dict[str, Any], str]]
    requests: list[ModelRequest]


async def after(*steps: Step, **settings: Any) -> Told:
    """Let a model with 60 tools take these steps in one turn."""
    driver, warehouse = ScriptedDriver(*steps, says("Done.")), Warehouse()
    async with local_runtime(driver, preparation=warehouse, **settings) as runtime:
        talk = await begin(runtime)
        assert await talk.say("go") == "Done."
        return Told(
            await talk.data_of("tool.call"),
            await talk.data_of("tool.result"),
            warehouse.ran,
            driver.requests,
        )
