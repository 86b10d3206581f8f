"""The tools of one step of a turn: those of capabilities and of the client, listed or deferred."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from everruns.capabilities.registry import Resolved, build_toolbox, tool_groups
from everruns.capabilities.tool_search import always_listed, most_listed
from everruns.domain.deferred_tools import (
    SEARCHING,
    ToolGroup,
    called_by_call_tool,
    choose_deferred,
    meant_call,
    note_of,
    own_tools,
)
from everruns.domain.messages import Message
from everruns.domain.prepared import PreparedCapabilities
from everruns.domain.schemas import find_foreign_violation
from everruns.domain.tools import ToolCall, ToolDefinition
from everruns.settings import Settings
from everruns.tools.base import Tool
from everruns.tools.deferred import (
    CALL_DEFINITION,
    SEARCH_DEFINITION,
    CallTool,
    DeferredTools,
    SearchTools,
    parameters_text,
)
from everruns.tools.toolbox import Toolbox

CLIENT_SOURCE = "tools of the application"


@dataclass(frozen=True)
class OfferedTools:
    """All tools that a model may call.

    Attributes:
        toolbox: The tools of capabilities.
        client_tools: The client-side tools, by name; tools of the toolbox take precedence.
        listed: Those whose definitions the model is shown in each request.
        deferred: Those that it can search for.
        groups: The tools by what they come from; those that the server adds are in none.
    """

    toolbox: Toolbox
    client_tools: Mapping[str, ToolDefinition]
    listed: Sequence[ToolDefinition]
    deferred: DeferredTools
    groups: Sequence[ToolGroup]

    @property
    def note(self) -> str | None:
        """What the model is told of the deferred tools, if there are any."""
        return note_of(self.deferred.groups) if self.deferred.groups else None

    def definition_of(self, name: str) -> ToolDefinition | None:
        """Return the definition of a tool; ``None`` if there is no such tool."""
        tool = self.toolbox.find(name)
        return tool.definition if tool else self.client_tools.get(name)

    def has_effects(self, name: str) -> bool:
        """Tell whether calls of a tool that runs here may change something."""
        tool = self.toolbox.find(name)
        return tool is not None and not tool.repeatable

    def meant(self, call: ToolCall) -> ToolCall:
        """Return the call that a model's call means: that of another tool, or itself."""
        is_ours = isinstance(self.toolbox.find(call.name), CallTool)
        return meant_call(call, self.deferred.known.__contains__) if is_ours else call

    def as_declared(self, messages: Sequence[Message]) -> list[Message]:
        """Return a transcript in which deferred tools are called as the model has to call them."""
        return called_by_call_tool(messages, {tool.name for tool in self.deferred.tools})

    def problem_with(self, call: ToolCall) -> str | None:
        """Return, for the model, why a call cannot be made; ``None`` if it can."""
        definition = self.definition_of(call.name)
        if definition is None:
            return self.deferred.unknown(call.name) if self.deferred.tools else None
        if call.name in self.client_tools:
            problem = find_foreign_violation(definition.parameters, call.arguments)
        else:
            problem = self.toolbox.problem_with(call)
        # The model may have called it without having seen what it takes.
        is_deferred = any(tool.name == call.name for tool in self.deferred.tools)
        return f"{problem} {parameters_text(definition)}" if problem and is_deferred else problem


def offer_tools(
    used: Sequence[Resolved],
    added: Sequence[Resolved],
    declared: Sequence[ToolDefinition],
    prepared: PreparedCapabilities,
    config: Mapping[str, Any],
    settings: Settings,
) -> OfferedTools:
    """Return the tools of a step.

    What is deferred follows from what was found at the start of the turn, from the agent and the
    session, and from the settings; nothing that the model does changes it.

    Args:
        used: The capabilities of agent and session.
        added: Capabilities that come by themselves; they do not count.
        declared: The client-side tools, the session's first.
        prepared: What was found when capabilities were prepared.
        config: The config of ``tool_search``; empty if it is not used.
        settings: The deployment's limits.
    """
    toolbox = build_toolbox([*used, *added], prepared, settings.tool_timeout_s)
    client_tools = _client_tools(declared, toolbox)
    definitions = [*toolbox.definitions, *client_tools.values()]
    names = frozenset(tool.name for tool in definitions)
    groups = own_tools(
        [*tool_groups(used, prepared), ToolGroup(CLIENT_SOURCE, tuple(client_tools))]
    )
    if names & SEARCHING:
        # A tool of somebody else has a name that is needed: then everything is listed.
        return OfferedTools(toolbox, client_tools, definitions, DeferredTools(), groups)
    most = most_listed(config, settings.max_listed_tools)
    chosen = _offered(choose_deferred(groups, most, always_listed(config)), names)
    hidden = {name for group in chosen for name in group.tools}
    deferred = DeferredTools(
        chosen, [tool for tool in definitions if tool.name in hidden], names | SEARCHING
    )
    listed = [tool for tool in definitions if tool.name not in hidden]
    searching: list[Tool] = [SearchTools(deferred), CallTool(deferred)]
    return OfferedTools(
        # Also if nothing is deferred: a model that has searched before may do so again.
        toolbox.with_tools(searching),
        client_tools,
        [*listed, SEARCH_DEFINITION, CALL_DEFINITION] if chosen else listed,
        deferred,
        groups,
    )


def _offered(groups: Sequence[ToolGroup], names: frozenset[str]) -> list[ToolGroup]:
    """Return groups without the tools that may not be offered any more."""
    left = [
        ToolGroup(group.source, tuple(name for name in group.tools if name in names))
        for group in groups
    ]
    return [group for group in left if group.tools]


def _client_tools(
    tools: Sequence[ToolDefinition], toolbox: Toolbox
) -> Mapping[str, ToolDefinition]:
    """Return tools by name; of several with one name the first wins, the session's first."""
    found: dict[str, ToolDefinition] = {}
    for tool in tools:
        if toolbox.find(tool.name) is None:
            found.setdefault(tool.name, tool)
    return found
