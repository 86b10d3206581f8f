"""What capabilities found is bounded and checked before a model is offered it."""

from typing import Any

from everruns.capabilities.base import Capability
from everruns.capabilities.preparing import MAX_NOTES, MAX_PROMPT_CHARACTERS, MAX_TOOLS, prepare_all
from everruns.domain.prepared import Prepared, PreparedCapabilities, PreparedTool
from everruns.domain.tools import ToolDefinition
from everruns.tools.base import SessionContext, ToolContext, ToolError

SESSION = SessionContext(session_id="session_1", files=None, turn_id="turn_1")  # type: ignore[arg-type]


class Finds:
    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared

    async def prepare(self, _config: dict[str, Any], _session: SessionContext) -> Prepared:
        return self._prepared

    async def run(self, _tool: PreparedTool, _arguments: Any, _context: ToolContext) -> Any:
        raise AssertionError("nothing runs here")


def a_tool(name: str, **schema: Any) -> PreparedTool:
    parameters = {"type": "object", **schema}
    return PreparedTool(
        definition=ToolDefinition(
            type="builtin", name=name, description="Does it.", parameters=parameters
        )
    )


async def found(**capabilities: Prepared) -> PreparedCapabilities:
    used = [
        (Capability(name, name, "A test's.", preparation=Finds(prepared)), {})
        for name, prepared in capabilities.items()
    ]
    return await prepare_all(used, {}, SESSION, 20)


async def test_a_tool_whose_schema_cannot_be_used_costs_only_itself():
    bad = a_tool("bad", properties="none")
    kit = (await found(kit=Prepared(tools=[a_tool("good"), bad, a_tool("fine")])))["kit"]
    assert [tool.definition.name for tool in kit.tools] == ["good", "fine"]
    (note,) = kit.notes
    assert note.startswith("The tool bad of kit is left out: its schema cannot be used")


async def test_all_capabilities_together_offer_no_more_tools_than_a_request_can_hold():
    many = [a_tool(f"t{number}") for number in range(MAX_TOOLS - 1)]
    kits = await found(one=Prepared(tools=many), two=Prepared(tools=many[:3]))
    assert [len(kits[name].tools) for name in ("one", "two")] == [MAX_TOOLS - 1, 1]
    assert kits["two"].notes == ["2 tools of two are left out: there are too many."]


async def test_a_huge_definition_does_not_keep_small_ones_out():
    huge = a_tool("huge", description="x" * 2**20)
    kit = (await found(kit=Prepared(tools=[huge, a_tool("small")])))["kit"]
    assert [tool.definition.name for tool in kit.tools] == ["small"]


async def test_prompts_and_notes_are_cut():
    kit = (await found(kit=Prepared(prompt="p" * 10**6, notes=["n\n" * 1000] * 100)))["kit"]
    assert len(kit.prompt or "") == MAX_PROMPT_CHARACTERS
    assert len(kit.notes) == MAX_NOTES
    assert "\n" not in "".join(kit.notes)
    assert kit.notes[-1] == "81 more problems with kit."


class Away(Finds):
    async def prepare(self, _config: dict[str, Any], _session: SessionContext) -> Prepared:
        raise ToolError("it is away")


async def test_a_prompt_without_tools_outlives_an_outage():
    before = Prepared(prompt="Kits are heavy.")
    kit = Capability("kit", "kit", "A test's.", preparation=Away(before))
    now = (await prepare_all([(kit, {})], {"kit": before}, SESSION, 20))["kit"]
    assert now.prompt == "Kits are heavy."
    assert now.notes == ["kit cannot be reached at the moment: it is away."]


async def test_what_cannot_be_prepared_keeps_only_what_it_may_still_offer():
    def without(config: dict[str, Any], tool: PreparedTool) -> PreparedTool | None:
        return None if tool.definition.name in config["forbidden"] else tool

    before = Prepared(prompt="Kits are heavy.", tools=[a_tool("a"), a_tool("b")])
    kit = Capability("kit", "kit", "A test's.", preparation=Away(before), restrict=without)

    async def now(*forbidden: str) -> Prepared:
        known = {"kit": before}
        return (await prepare_all([(kit, {"forbidden": forbidden})], known, SESSION, 20))["kit"]

    assert [tool.definition.name for tool in (await now("a")).tools] == ["b"]
    assert (await now()).tools == before.tools
    nothing = await now("a", "b")
    assert (nothing.prompt, nothing.tools) == (None, [])
    assert nothing.notes == ["kit is not available in this turn: it is away."]
