"""Approvals: tool calls that are held until the user allows them.

Source: docs/contract.md, "Approvals".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from everruns.domain.base import Model, max_bytes
from everruns.domain.sessions import SessionStatus

Mode = Literal["off", "normal", "protective"]
Decision = Literal["allow", "allow_always", "reject", "reject_always"]
TIMEOUT_S = 900


@dataclass(frozen=True)
class ApprovalRule:
    """Which tool calls are held for approval, and for how long.

    Attributes:
        mode: ``normal`` holds destructive tools and tools that ask for approval,
            ``protective`` every tool with side effects, ``off`` none.
        timeout_s: Seconds after which a call counts as rejected.
    """

    mode: Mode = "off"
    timeout_s: float = TIMEOUT_S

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "ApprovalRule":
        """Return the rule in a capability's ``config``."""
        return cls(config.get("mode", "normal"), config.get("timeout_seconds", TIMEOUT_S))


class ToolDecision(Model):
    """The user's decision on one call; ``…_always`` applies to later calls of its tool too."""

    tool_call_id: Annotated[str, Field(min_length=1), max_bytes(256)]
    decision: Decision

    @property
    def is_allowed(self) -> bool:
        """Whether the call may run."""
        return self.decision in {"allow", "allow_always"}

    @property
    def is_for_always(self) -> bool:
        """Whether the decision applies to later calls of the tool."""
        return self.decision.endswith("_always")


class ToolApprovals(Model):
    """The user's decisions on held calls."""

    decisions: Annotated[list[ToolDecision], Field(min_length=1, max_length=100)]


class Decided(Model):
    """How many calls were decided, and the session's status now."""

    accepted: int
    session_status: SessionStatus
