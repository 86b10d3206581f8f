"""Tools that a capability found when it was prepared, as a toolbox holds them."""

from dataclasses import dataclass
from typing import Any

from everruns.capabilities.base import Abandons, Preparation
from everruns.domain.prepared import PreparedTool
from everruns.domain.schemas import find_foreign_violation
from everruns.domain.tools import ToolDefinition
from everruns.tools.base import EndsInTime, SessionContext, ToolContext


@dataclass(frozen=True)
class OfferedTool:
    """A tool that was found; implements ``Tool``.

    Attributes:
        found: The tool as the log has it.
        preparation: Runs its calls.
    """

    found: PreparedTool
    preparation: Preparation

    @property
    def definition(self) -> ToolDefinition:
        """The tool as described to the model."""
        return self.found.definition

    @property
    def reads_only(self) -> bool:
        """Whether a call changes nothing."""
        return self.found.reads_only

    @property
    def repeatable(self) -> bool:
        """Whether a call can safely run twice."""
        return self.found.repeatable or self.found.reads_only

    @property
    def destructive(self) -> bool:
        """Whether a call may destroy something irrecoverably."""
        return self.found.destructive

    @property
    def runs_alone(self) -> str | None:
        """Calls of tools with the same name here do not run at the same time."""
        return self.found.runs_alone

    @property
    def timeout_s(self) -> float:
        """Seconds after which a call times out."""
        return self.found.timeout_s

    @property
    def ends_in_time(self) -> bool:
        """Whether its calls end by themselves, so that only its own timeout holds."""
        return isinstance(self.preparation, EndsInTime) and self.preparation.ends_in_time

    def problem_with(self, arguments: dict[str, Any]) -> str | None:
        """Return, for the model, why arguments cannot be used; ``None`` if they can."""
        return find_foreign_violation(self.definition.parameters, arguments)

    async def run(self, arguments: dict[str, Any], context: ToolContext) -> Any:
        """Run one call.

        Raises:
            ToolError: The call failed for a reason that the model should read.
        """
        return await self.preparation.run(self.found, arguments, context)

    async def abandon(self, state: Any, context: SessionContext) -> None:
        """End what a suspended call has begun, if its capability can.

        Raises:
            ToolError: It cannot be ended.
        """
        if isinstance(self.preparation, Abandons):
            await self.preparation.abandon(self.found, state, context)
