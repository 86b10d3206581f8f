"""What capabilities found when they were prepared for a turn: prompts, tools and notes.

It is stored in the session's log whenever it changes. So it is data: a turn that goes on in another
process offers the same tools under the same names, whatever has happened to the service behind
them.

Source: docs/contract.md, "Turns"; ADR 0048.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from everruns.domain.base import Model
from everruns.domain.tools import ToolDefinition

DEFAULT_TIMEOUT_S = 60.0


class PreparedTool(Model):
    """A tool that a capability found.

    Attributes:
        definition: The tool as described to the model.
        reads_only: Whether a call changes nothing.
        repeatable: Whether a call can safely run twice, so that it is retried after a crash.
        destructive: Whether a call may destroy something irrecoverably.
        runs_alone: Calls of tools with the same name here do not run at the same time.
        timeout_s: Seconds after which a call times out.
        reference: How the capability finds the tool again, such as its name at a server.
    """

    definition: ToolDefinition
    reads_only: bool = False
    repeatable: bool = False
    destructive: bool = False
    runs_alone: str | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S
    reference: Any = None


class Prepared(Model):
    """What one capability found.

    Attributes:
        prompt: Added to the system prompt, if any.
        tools: Offered to the model, in this order.
        notes: What the model should know of what could not be prepared, one sentence each.
    """

    prompt: str | None = None
    tools: list[PreparedTool] = Field(default_factory=list[PreparedTool])
    notes: list[str] = Field(default_factory=list)


PreparedCapabilities = Mapping[str, Prepared]
"""What was found, by the capability's id."""
