"""Which capabilities there are, and which of them an agent's list means."""

from importlib.metadata import EntryPoint
from typing import Any

import pytest
from structlog.testing import capture_logs

from everruns.capabilities import registry
from everruns.capabilities.base import Capability
from everruns.capabilities.registry import (
    BUILTIN,
    build_toolbox,
    describe,
    find_capability,
    get_capability,
    list_unloadable_capabilities,
    load_capabilities,
    resolve,
    system_prompts,
)
from everruns.domain.agents import CapabilityConfig
from everruns.domain.prepared import Prepared, PreparedTool
from everruns.domain.tools import ToolDefinition
from everruns.errors import CapabilityNotFound, InvalidRequest, UnknownCapability

THIRD_PARTY = Capability(id="third_party", name="Third", description="From a package.")
NOT_A_CAPABILITY = "text"


def named(*refs: str) -> list[CapabilityConfig]:
    return [CapabilityConfig(ref=ref) for ref in refs]


def capability(identity: str, **fields: Any) -> Capability:
    return Capability(id=identity, name=identity, description="…", **fields)


def known(*capabilities: Capability) -> dict[str, Capability]:
    return {capability.id: capability for capability in capabilities}


def ids(resolved: Any) -> list[str]:
    return [capability.id for capability, _ in resolved]


@pytest.mark.parametrize(
    ("identity", "name", "icon", "category", "status", "tools"),
    [
        ("noop", "No-Op", "circle-off", "Testing", "available", []),
        ("current_time", "Current Time", "clock", "Utilities", "available", ["get_current_time"]),
        ("research", "Deep Research", "search", "AI", "coming_soon", []),
        ("sandbox", "Sandboxed Execution", "box", "Execution", "coming_soon", []),
        (
            "session_file_system",
            "File System",
            "hard-drive",
            "File Operations",
            "available",
            ["read_file", "write_file", "list_directory", "grep_files", "delete_file", "stat_file"],
        ),
        (
            "test_math",
            "Test Math",
            "calculator",
            "Testing",
            "available",
            ["add", "subtract", "multiply", "divide"],
        ),
        (
            "test_weather",
            "Test Weather",
            "cloud-sun",
            "Testing",
            "available",
            ["get_weather", "get_forecast"],
        ),
        (
            "stateless_todo_list",
            "Task Management",
            "list-checks",
            "Productivity",
            "available",
            ["write_todos"],
        ),
        ("web_fetch", "Web Fetch", "globe", "Network", "available", ["web_fetch"]),
    ],
)
def test_builtin_capability_is_described(identity, name, icon, category, status, tools):
    info = describe(get_capability(identity)).wire()
    assert (info["name"], info["icon"], info["category"], info["status"]) == (
        name,
        icon,
        category,
        status,
    )
    assert [tool["name"] for tool in info["tool_definitions"]] == tools
    assert info["is_mcp"] is False
    assert info["is_skill"] is False


def test_every_tool_has_a_closed_schema_and_words_for_the_model():
    for entry in BUILTIN:
        for tool in entry.tools:
            parameters = tool.definition.parameters
            assert parameters["type"] == "object"
            assert parameters["additionalProperties"] is False
            assert tool.definition.description
            assert all(field.get("description") for field in parameters["properties"].values())


@pytest.mark.parametrize("identity", ["session_file_system", "test_math", "stateless_todo_list"])
def test_prompt_names_the_tools(identity):
    entry = get_capability(identity)
    for tool in entry.tools:
        assert tool.definition.name in (entry.system_prompt or "")


def test_unknown_id_is_none_to_find_and_an_error_to_get():
    assert find_capability("nope") is None
    with pytest.raises(CapabilityNotFound, match="nope"):
        get_capability("nope")


def test_order_of_the_list_is_the_order_of_tools_and_prompts():
    resolved = resolve(named("test_weather", "noop", "test_math"))
    assert ids(resolved) == ["test_weather", "noop", "test_math"]
    names = [definition.name for definition in build_toolbox(resolved).definitions]
    assert names == ["get_weather", "get_forecast", "add", "subtract", "multiply", "divide"]
    weather, math = (part.text for part in system_prompts(resolved))
    assert "weather" in weather
    assert "math" in math


def test_capability_named_twice_counts_once_with_its_first_config():
    entries = [
        CapabilityConfig(ref="noop", config={"n": 1}),
        CapabilityConfig(ref="noop", config={"n": 2}),
    ]
    assert [config for _, config in resolve(entries)] == [{"n": 1}]


def test_dependencies_come_before_what_needs_them_each_once():
    known_ones = known(
        capability("a", dependencies=["b", "c"]),
        capability("b", dependencies=["c"]),
        capability("c"),
    )
    assert ids(resolve(named("a", "c"), known_ones)) == ["c", "b", "a"]


def test_dependency_takes_the_config_that_the_list_gives_it():
    known_ones = known(capability("a", dependencies=["b"]), capability("b"))
    entries = [CapabilityConfig(ref="a"), CapabilityConfig(ref="b", config={"n": 1})]
    assert [config for _, config in resolve(entries, known_ones)] == [{"n": 1}, {}]


def test_dependencies_in_a_circle_end():
    known_ones = known(capability("a", dependencies=["b"]), capability("b", dependencies=["a"]))
    assert sorted(ids(resolve(named("a"), known_ones))) == ["a", "b"]


@pytest.mark.parametrize("ref", ["nope", "research", "sandbox"])
def test_capability_that_cannot_be_used_is_an_error_that_names_it(ref):
    with pytest.raises(UnknownCapability, match=ref):
        resolve(named("noop", ref))


def test_an_unknown_capability_is_told_the_nearest_one_and_where_all_are_listed():
    with pytest.raises(UnknownCapability) as refused:
        resolve(named("web"))

    assert str(refused.value) == (
        "Unknown capability: web. Did you mean 'web_fetch'? GET /v1/capabilities lists those "
        "there are."
    )


def test_dependency_that_cannot_be_used_is_an_error_that_names_it():
    with pytest.raises(UnknownCapability, match="gone"):
        resolve(named("a"), known(capability("a", dependencies=["gone"])))


def test_config_is_checked_against_its_schema():
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    known_ones = known(capability("a", config_schema=schema))
    assert resolve([CapabilityConfig(ref="a", config={"n": 1})], known_ones)
    with pytest.raises(InvalidRequest, match="Capability a: Missing required setting: n"):
        resolve(named("a"), known_ones)
    with pytest.raises(InvalidRequest, match="Setting 'n' must be an integer"):
        resolve([CapabilityConfig(ref="a", config={"n": "1"})], known_ones)


@pytest.mark.parametrize("ref", ["ask_user", "tool_approval"])
@pytest.mark.parametrize("seconds", ["soon", 0, True])
def test_a_wrong_time_of_a_wait_is_told_every_right_form(ref: str, seconds: Any):
    words = 'seconds from 1 to 31536000, or "never"'
    with pytest.raises(InvalidRequest, match=f"Setting 'timeout_seconds' must be {words}"):
        resolve([CapabilityConfig(ref=ref, config={"timeout_seconds": seconds})])


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch):
    """Pretend that packages with these entry points are installed."""

    def install(*targets: tuple[str, str]) -> None:
        entries = [EntryPoint(name, target, "everruns.capabilities") for name, target in targets]
        monkeypatch.setattr(registry, "entry_points", lambda group: entries)
        registry._load.cache_clear()

    yield install
    monkeypatch.undo()
    registry._load.cache_clear()


def test_capability_of_a_package_is_found(installed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "THIRD_PARTY", THIRD_PARTY, raising=False)
    installed(("third", "everruns.capabilities.registry:THIRD_PARTY"))
    assert find_capability("third_party") is THIRD_PARTY


@pytest.mark.parametrize(
    "target",
    [
        "no_such_package:X",
        "everruns.capabilities.registry:NO_SUCH_NAME",
        "everruns.capabilities.registry:ENTRY_POINT_GROUP",
        "everruns.capabilities.noop:NOOP",
    ],
)
def test_broken_capability_of_a_package_is_logged_and_left_out(installed, target):
    installed(("broken", target))
    with capture_logs() as logs:
        assert set(load_capabilities()) == {entry.id for entry in BUILTIN}
    assert logs[0]["name"] == "broken"
    assert logs[0]["log_level"] == "error"
    (told,) = list_unloadable_capabilities()
    assert told.startswith("broken (")


def test_what_was_found_before_is_offered_as_far_as_the_rules_of_now_allow():
    class Nothing:
        prepare = run = None

    def restrict(config: dict[str, Any], tool: PreparedTool) -> PreparedTool | None:
        if tool.definition.name not in config["allowed"]:
            return None
        held = tool.definition.model_copy(update={"policy": "requires_approval"})
        return tool.model_copy(update={"definition": held})

    kit = Capability("kit", "Kit", "A test's.", preparation=Nothing(), restrict=restrict)
    found = [
        PreparedTool(definition=ToolDefinition(name=name, description="", parameters={}))
        for name in ("a", "b")
    ]
    toolbox = build_toolbox([(kit, {"allowed": ["b"]})], {"kit": Prepared(tools=found)})
    offered = [(tool.name, tool.policy) for tool in toolbox.definitions]
    assert offered == [("b", "requires_approval")]
