"""Approvals: tool calls that are held until somebody allows them.

Source: docs/contract.md, "Approvals".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from everruns.domain.base import KIB, Model, max_bytes
from everruns.domain.sessions import SessionStatus
from everruns.domain.tools import ToolDefinition
from everruns.domain.waits import DeciderKind, WaitRule

Mode = Literal["off", "required", "normal", "protective"]
Decision = Literal["allow", "allow_always", "reject", "reject_always"]
MAX_REASON_BYTES = 2 * KIB


class Decider(Model):
    """Who decides about a held call.

    Attributes:
        kind: ``end_user`` is a user of an application, ``operator`` whoever calls the API itself.
        name: The application's name for its user, or the id of the operator's API key.
    """

    kind: DeciderKind
    name: str | None = None


OPERATOR = Decider(kind="operator")


@dataclass(frozen=True)
class ApprovalRule:
    """Which tool calls are held for approval, for how long, and who may allow them.

    Attributes:
        mode: ``required`` holds tools that require approval, ``normal`` destructive tools too,
            ``protective`` every tool with side effects, ``off`` none.
        wait: How long a call is held.
        decided_by: Who may decide, unless the tool says otherwise: the end user or an operator,
            or an operator alone.
    """

    mode: Mode
    wait: WaitRule
    decided_by: DeciderKind = "end_user"

    @classmethod
    def of(cls, config: Mapping[str, Any] | None, deployment: WaitRule) -> "ApprovalRule":
        """Return the rule of a capability's ``config``; ``None`` if it is not used."""
        if config is None:
            return cls("required", deployment)
        return cls(
            config.get("mode", "normal"),
            WaitRule.of_config(config).or_else(deployment),
            config.get("decided_by", "end_user"),
        )

    def holds(self, tool: ToolDefinition, *, has_effects: bool, is_destructive: bool) -> bool:
        """Tell whether calls of a tool are held until somebody allows them.

        Args:
            tool: The tool.
            has_effects: Whether a call may change something. What a client-side tool does is up to
                the client, which can ask by itself; it counts as having none.
            is_destructive: Whether a call may destroy something.
        """
        if self.mode == "off":
            return False
        return (
            tool.policy == "requires_approval"
            or (self.mode == "protective" and has_effects)
            or (self.mode == "normal" and is_destructive)
        )


class ToolDecision(Model):
    """A decision on one call; ``…_always`` applies to later calls of its tool too.

    The model reads the ``reason`` of a rejection.
    """

    tool_call_id: Annotated[str, Field(min_length=1), max_bytes(256)]
    decision: Decision
    reason: Annotated[str, Field(min_length=1), max_bytes(MAX_REASON_BYTES)] | None = None

    @property
    def is_allowed(self) -> bool:
        """Whether the call may run."""
        return self.decision in {"allow", "allow_always"}

    @property
    def is_for_always(self) -> bool:
        """Whether the decision applies to later calls of the tool."""
        return self.decision.endswith("_always")


class ToolApprovals(Model):
    """Decisions on held calls."""

    decisions: Annotated[list[ToolDecision], Field(min_length=1, max_length=100)]


class Decided(Model):
    """What became of decisions, and the session's status now.

    Attributes:
        accepted: How many calls are decided now.
        already_stored: How many of these were decided before.
    """

    accepted: int
    already_stored: int
    session_status: SessionStatus
