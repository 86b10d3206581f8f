"""A capability: text for the system prompt, and tools, known beforehand or found for each turn."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from everruns.domain.capabilities import CapabilityStatus
from everruns.domain.prepared import Prepared, PreparedTool
from everruns.tools.base import SessionContext, Tool, ToolContext


class Preparation(Protocol):
    """Finds, once a turn, what a capability offers, and runs the tools that it found."""

    async def prepare(self, config: dict[str, Any], session: SessionContext) -> Prepared:
        """Return what the capability offers in the turn that begins.

        Args:
            config: The ``config`` that the agent gave the capability.
            session: The session, and what can be reached from it.

        Raises:
            ToolError: It cannot be prepared now. The model reads why; the turn goes on.
        """
        ...

    async def run(self, tool: PreparedTool, arguments: dict[str, Any], context: ToolContext) -> Any:
        """Run one call of a tool, in this process or in one that did not prepare it.

        Args:
            tool: The tool, as it was found.
            arguments: The model's arguments, validated against the tool's schema.
            context: The call and its surroundings.

        Raises:
            ToolError: The call failed for a reason that the model should read.
        """
        ...


@runtime_checkable
class Abandons(Protocol):
    """A ``Preparation`` whose suspended calls leave work behind where they have begun it."""

    async def abandon(self, tool: PreparedTool, state: Any, context: SessionContext) -> None:
        """End what a suspended call has begun, since nobody waits for it any more.

        It is called at most once for a call, and not at all if the process is lost.

        Args:
            tool: The call's tool.
            state: What it was suspended with.
            context: The session.

        Raises:
            ToolError: It cannot be ended.
        """
        ...


Restrict = Callable[[dict[str, Any], PreparedTool], PreparedTool | None]
"""Given the current config and a tool found earlier, returns the tool as it may be offered now, or
``None``."""

Opens = Callable[[PreparedTool], bool]
"""Tells whether there is more to find once a tool that was found has a result."""


@dataclass(frozen=True)
class Capability:
    """Something that an agent can do, enabled by its ``id``.

    Attributes:
        id: The stable name that agents refer to.
        name: For people.
        description: For people, one or two sentences.
        icon: Name of an icon (Lucide's names).
        category: Heading under which lists show it.
        status: Only ``available`` ones can be used.
        system_prompt: Added to the agent's system prompt, if any.
        tools: Offered to the model, in this order.
        config_schema: JSON Schema of the ``config`` an agent may give, if it takes one.
        dependencies: Ids of capabilities that it brings along.
        preparation: Finds further prompt text and tools at the start of each turn.
        restrict: Applied in every step to what was found, so that rules which were tightened since
            hold even if it cannot look again. It neither waits nor raises.
        opens: Applied to the tools whose results are new: if there is more to find, capabilities
            are prepared again before the model reads them.
    """

    id: str
    name: str
    description: str
    icon: str | None = None
    category: str | None = None
    status: CapabilityStatus = "available"
    system_prompt: str | None = None
    tools: Sequence[Tool] = ()
    config_schema: dict[str, Any] | None = None
    dependencies: Sequence[str] = ()
    preparation: Preparation | None = None
    restrict: Restrict | None = None
    opens: Opens | None = None

    def is_opened_by(self, names: Collection[str], prepared: Prepared) -> bool:
        """Tell whether there is more to find now that tools of these names have results."""
        return self.opens is not None and any(
            tool.definition.name in names and self.opens(tool) for tool in prepared.tools
        )

    def offerable(self, config: dict[str, Any], prepared: Prepared) -> list[PreparedTool]:
        """Return the tools that were found, as far as they may be offered now."""
        if self.restrict is None:
            return prepared.tools
        restricted = (self.restrict(config, tool) for tool in prepared.tools)
        return [tool for tool in restricted if tool is not None]


Capabilities = Mapping[str, Capability]
"""Capabilities by id."""
