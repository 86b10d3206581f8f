"""Tools that somebody outside answers: the turn asks and waits instead of running anything.

Source: docs/contract.md, "Client-side tools".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from everruns.domain.tools import ToolDefinition
from everruns.tools.base import ToolContext, ToolError


@dataclass(frozen=True)
class AskedTool:
    """A tool of a capability whose calls somebody outside answers; implements ``Tool``.

    Attributes:
        definition: What the model is told.
        timeout_s: Seconds for which an answer is waited for.
        explain: Says what is wrong with arguments that break no schema.
        result_of_silence: Returns, for a call's arguments, its result when nobody answers in time.
        repeatable: Nothing runs, so nothing is run twice.
        destructive: Nor destroyed.
    """

    definition: ToolDefinition
    timeout_s: float
    explain: Callable[[dict[str, Any]], str | None]
    result_of_silence: Callable[[dict[str, Any]], Any]
    repeatable: bool = True
    destructive: bool = False

    async def run(self, arguments: dict[str, Any], context: ToolContext) -> NoReturn:  # noqa: ARG002 - the protocol's
        """Refuse: what gets here was called with arguments that nobody can be asked about.

        Raises:
            ToolError: Always; it says what is wrong.
        """
        raise ToolError(self.explain(arguments) or "Nobody can be asked.")
