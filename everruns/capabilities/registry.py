"""All capabilities, and the resolution of an agent's list.

Packages add their own through entry points of the group ``everruns.capabilities`` that refer to a
``Capability``.
"""

import math
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import entry_points
from typing import Any

import structlog

from everruns.capabilities.ask_user import ASK_USER
from everruns.capabilities.base import Capabilities, Capability
from everruns.capabilities.coming_soon import RESEARCH, SANDBOX
from everruns.capabilities.current_time import CURRENT_TIME
from everruns.capabilities.noop import NOOP
from everruns.capabilities.offered import OfferedTool
from everruns.capabilities.session_file_system import SESSION_FILE_SYSTEM
from everruns.capabilities.stateless_todo_list import STATELESS_TODO_LIST
from everruns.capabilities.test_math import TEST_MATH
from everruns.capabilities.test_weather import TEST_WEATHER
from everruns.capabilities.tool_approval import TOOL_APPROVAL
from everruns.capabilities.tool_search import TOOL_SEARCH
from everruns.capabilities.web_fetch import WEB_FETCH
from everruns.domain.agents import CapabilityConfig
from everruns.domain.capabilities import CapabilityInfo
from everruns.domain.deferred_tools import ToolGroup
from everruns.domain.mcp_choice import catalogue_name
from everruns.domain.names import nearest_name
from everruns.domain.prepared import PreparedCapabilities
from everruns.domain.prompts import PromptPart
from everruns.domain.schemas import find_violation
from everruns.errors import CapabilityNotFound, InvalidRequest, UnknownCapability
from everruns.tools.base import Tool
from everruns.tools.toolbox import Toolbox

ENTRY_POINT_GROUP = "everruns.capabilities"
# Characters of a package's own error that are told.
MAX_REASON = 300

BUILTIN: tuple[Capability, ...] = (
    NOOP,
    CURRENT_TIME,
    RESEARCH,
    SANDBOX,
    SESSION_FILE_SYSTEM,
    ASK_USER,
    TOOL_APPROVAL,
    TOOL_SEARCH,
    TEST_MATH,
    TEST_WEATHER,
    STATELESS_TODO_LIST,
    WEB_FETCH,
)

NOTES_HEADING = "Some of what you usually have is missing or limited in this turn:"

Resolved = tuple[Capability, dict[str, Any]]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def load_capabilities() -> Capabilities:
    """Return every capability by id: the built-in ones, then those of installed packages.

    A package's capability that cannot be loaded, or whose id is taken, is logged and left out, so
    that a broken package does not stop the server.
    """
    return _load()[0]


def list_unloadable_capabilities() -> tuple[str, ...]:
    """Return the packages' capabilities that were left out, each as ``NAME (reason)``."""
    return _load()[1]


@cache
def _load() -> tuple[Capabilities, tuple[str, ...]]:
    found = {capability.id: capability for capability in BUILTIN}
    left_out: list[str] = []
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        try:
            capability = entry.load()
        except Exception as error:  # Third-party code runs here and may raise anything.
            log.exception("capability cannot be loaded", name=entry.name, target=entry.value)
            reason = f"{type(error).__name__}: {error}"[:MAX_REASON]
            left_out.append(f"{entry.name} ({' '.join(reason.split())})")
            continue
        if not isinstance(capability, Capability):
            log.error("entry point names no capability", name=entry.name, target=entry.value)
            left_out.append(f"{entry.name} ({entry.value} is no Capability)")
        elif capability.id in found:
            log.error("capability id is taken", name=entry.name, capability=capability.id)
            left_out.append(f"{entry.name} (the id {capability.id} is taken)")
        else:
            found[capability.id] = capability
    return found, tuple(left_out)


def find_capability(capability_id: str) -> Capability | None:
    """Return the capability of this id."""
    return load_capabilities().get(capability_id)


def get_capability(capability_id: str) -> Capability:
    """Return the capability of this id.

    Raises:
        CapabilityNotFound: No capability has this id.
    """
    capability = find_capability(capability_id)
    if capability is None:
        raise CapabilityNotFound(f"Capability {capability_id} not found")
    return capability


def describe(capability: Capability) -> CapabilityInfo:
    """Return a capability as a client sees it."""
    return CapabilityInfo(
        id=capability.id,
        name=capability.name,
        description=capability.description,
        status=capability.status,
        icon=capability.icon,
        category=capability.category,
        system_prompt=capability.system_prompt,
        tool_definitions=[tool.definition for tool in capability.tools],
        config_schema=capability.config_schema,
        dependencies=list(capability.dependencies),
        is_mcp=catalogue_name(capability.id) is not None,
    )


def resolve(
    configs: Sequence[CapabilityConfig], known: Capabilities | None = None
) -> list[Resolved]:
    """Resolve a list of capabilities: each once, with its config.

    The order is that of the list; dependencies come just before the capability that needs them,
    unless already listed. Of two entries with one ``ref`` the first wins.

    Args:
        configs: The agent's or session's list.
        known: Capabilities by id; all of them by default.

    Raises:
        UnknownCapability: The capability does not exist or is not available.
        InvalidRequest: A ``config`` breaks its capability's schema.
    """
    known = load_capabilities() if known is None else known
    given: dict[str, dict[str, Any]] = {}
    for entry in configs:
        given.setdefault(entry.ref, entry.config or {})
    chosen: dict[str, Capability] = {}
    visited: set[str] = set()

    def choose(ref: str) -> None:
        if ref in visited:
            return
        visited.add(ref)
        capability = known.get(ref)
        if capability is None:
            near = nearest_name(ref, [name for name in known if known[name].status == "available"])
            hint = f" Did you mean {near!r}?" if near else ""
            raise UnknownCapability(
                f"Unknown capability: {ref}.{hint} GET /v1/capabilities lists those there are."
            )
        if capability.status != "available":
            raise UnknownCapability(f"Capability {ref} is not available ({capability.status})")
        for dependency in capability.dependencies:
            choose(dependency)
        chosen[ref] = capability

    for ref in given:
        choose(ref)
    for ref, config in given.items():
        _check_config(chosen[ref], config)
    return [(capability, given.get(ref, {})) for ref, capability in chosen.items()]


def _check_config(capability: Capability, config: dict[str, Any]) -> None:
    if capability.config_schema is None:
        return
    violation = find_violation(capability.config_schema, config, subject="setting")
    if violation is not None:
        raise InvalidRequest(f"Capability {capability.id}: {violation}")


def build_toolbox(
    resolved: Sequence[Resolved],
    prepared: PreparedCapabilities | None = None,
    max_timeout_s: float = math.inf,
) -> Toolbox:
    """Return the tools of capabilities, in their order; those that were found come last of each.

    Args:
        resolved: The result of ``resolve``.
        prepared: What was found when they were prepared.
        max_timeout_s: Upper limit in seconds for every call, whatever its tool allows.
    """
    tools = (
        (tool, config)
        for capability, config in resolved
        for tool in _tools_of(capability, config, prepared or {})
    )
    return Toolbox(tools, max_timeout_s)


def tool_groups(resolved: Sequence[Resolved], prepared: PreparedCapabilities) -> list[ToolGroup]:
    """Return the names of the tools of capabilities, by capability, in their order.

    Those that were found count as they were found, whatever may be offered of them by now: so a
    rule that is tightened in the middle of a turn does not change which tools are listed. The
    built-in capabilities have few tools, which prompts and other parts rely on; they stay listed.

    Args:
        resolved: The result of ``resolve``.
        prepared: What was found when they were prepared.
    """
    groups: list[ToolGroup] = []
    for capability, _ in resolved:
        found = prepared.get(capability.id) if capability.preparation else None
        names = [tool.definition.name for tool in capability.tools]
        names += [tool.definition.name for tool in found.tools] if found else []
        groups.append(ToolGroup(capability.id, tuple(names), capability in BUILTIN))
    return [group for group in groups if group.tools]


def _tools_of(
    capability: Capability, config: dict[str, Any], prepared: PreparedCapabilities
) -> Iterator[Tool]:
    yield from capability.tools
    found = prepared.get(capability.id)
    if found and capability.preparation:
        for tool in capability.offerable(config, found):
            yield OfferedTool(tool, capability.preparation)


def system_prompts(
    resolved: Sequence[Resolved], prepared: PreparedCapabilities | None = None
) -> list[PromptPart]:
    """Return the system prompts of capabilities, in order, then what could not be prepared.

    Args:
        resolved: The result of ``resolve``.
        prepared: What was found when they were prepared.
    """
    prompts: list[PromptPart] = []
    notes: list[str] = []
    for capability, _ in resolved:
        found = (prepared or {}).get(capability.id) if capability.preparation else None
        said = [capability.system_prompt, found.prompt if found else None]
        prompts += [PromptPart("capability", text, capability.id) for text in said if text]
        notes += found.notes if found else []
    if notes:
        text = "\n".join([NOTES_HEADING, *(f"- {note}" for note in notes)])
        prompts.append(PromptPart("server", text))
    return prompts
