"""Tools that are answered from outside: the turn asks and waits instead of running anything.

Source: docs/contract.md, "Questions".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from everruns.domain.schemas import find_violation
from everruns.domain.tools import DEFAULT_TIMEOUT_S, ToolDefinition
from everruns.tools.base import ToolContext, ToolError


@dataclass(frozen=True)
class AskedTool:
    """A capability's tool whose calls are answered from outside; implements ``Tool``.

    Attributes:
        definition: The tool as described to the model.
        explain: Describes what is wrong with arguments that satisfy the schema.
        timeout_s: Of a call that is not asked, because its arguments are wrong.
        repeatable: True, because nothing runs.
        destructive: False, because nothing runs.
        reads_only: True, because nothing runs.
        runs_alone: None, because nothing runs.
    """

    definition: ToolDefinition
    explain: Callable[[dict[str, Any]], str | None]
    timeout_s: float = DEFAULT_TIMEOUT_S
    repeatable: bool = True
    destructive: bool = False
    reads_only: bool = True
    runs_alone: str | None = None

    def problem_with(self, arguments: dict[str, Any]) -> str | None:
        """Return, for the model, why arguments break the schema; ``None`` if they do not."""
        return find_violation(self.definition.parameters, arguments)

    async def run(self, arguments: dict[str, Any], context: ToolContext) -> NoReturn:  # noqa: ARG002 - the protocol's
        """Refuse a call whose arguments cannot be turned into a request.

        Raises:
            ToolError: Always; the message says what is wrong.
        """
        raise ToolError(self.explain(arguments) or "The request is not valid, so nobody was asked.")
