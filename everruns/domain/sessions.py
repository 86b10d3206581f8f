"""Sessions as resources: what a client creates and reads.

The living part of a session, its conversation and turn, is ``everruns.domain.state``.

Source: docs/contract.md, "Resources", Session.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from everruns.domain.agents import (
    Capabilities,
    CapabilityConfig,
    ClientTools,
    InitialFile,
    InitialFiles,
    MaxIterations,
    ModelName,
)
from everruns.domain.base import Flag, Model, Name, Prompt, Tags
from everruns.domain.tools import ToolDefinition
from everruns.domain.usage import Usage

SessionStatus = Literal["started", "active", "idle", "waitingfortoolresults"]


class SessionInput(Model):
    """What creates a session. Every field is optional: without an agent it uses the harness."""

    agent_id: Annotated[str, Field(pattern=r"^agent_[0-9a-f]{32}$")] | None = None
    agent_name: Name | None = None
    title: Name | None = None
    locale: Annotated[str, Field(max_length=64)] | None = None
    model_id: ModelName | None = None
    system_prompt: Prompt | None = None
    tags: Tags = Field(default_factory=list)
    capabilities: Capabilities = Field(default_factory=list[CapabilityConfig])
    tools: ClientTools = Field(default_factory=list[ToolDefinition])
    max_iterations: MaxIterations | None = None
    parallel_tool_calls: Flag | None = None
    initial_files: InitialFiles = Field(default_factory=list[InitialFile])


class SessionSummary(Model):
    """The part of a session that its event log decides, stored beside it for lists.

    Written in the same transaction as the events it sums up.

    Attributes:
        suspicion: How much speaks for the open turn ending the processes that run it, since its
            last event; see ``everruns.runtime.turn``.
        waits_until_ms: Until when the open turn can only wait for somebody outside, in milliseconds
            since the epoch.
    """

    status: SessionStatus = "started"
    sequence: int = 0
    turn_id: str | None = None
    usage: Usage = Usage()
    preview: str | None = None
    output_preview: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    updated_at: str | None = None
    suspicion: int = 0
    waits_until_ms: int | None = None


class Session(Model):
    """A stored session."""

    id: str
    agent_id: str | None = None
    title: str | None = None
    status: SessionStatus = "started"
    model_id: str | None = None
    system_prompt: str | None = None
    locale: str | None = None
    tags: list[str] = Field(default_factory=list)
    capabilities: list[CapabilityConfig] = Field(default_factory=list[CapabilityConfig])
    tools: list[ToolDefinition] = Field(default_factory=list[ToolDefinition])
    max_iterations: int | None = None
    parallel_tool_calls: bool | None = None
    usage: Usage = Usage()
    harness_id: str
    organization_id: str
    workspace_id: str
    preview: str | None = None
    output_preview: str | None = None
    created_at: str
    updated_at: str
    started_at: str | None = None
    finished_at: str | None = None
    # Whose session it is among the users of the application that created it through the agent's
    # channel; empty for the application's own, ``None`` if it was not created through a channel.
    # Kept (see ``whole``), and shown to nobody.
    end_user: SkipJsonSchema[str | None] = Field(None, exclude=True)
    # Known to session hosts, shown to nobody.
    suspicion: SkipJsonSchema[int] = Field(0, exclude=True)

    def whole(self) -> dict[str, Any]:
        """Return the session, as it was created, as JSON with what is shown to nobody."""
        return {**self.model_dump(mode="json"), "end_user": self.end_user}

    def summed_up(self, summary: SessionSummary) -> "Session":
        """Return the session, as it was created, with what its log says of it.

        A summary without a time leaves that of the creation.
        """
        decided = {name: getattr(summary, name) for name in _SUMMARIZED}
        updated_at = summary.updated_at or self.updated_at
        return self.model_copy(update={**decided, "updated_at": updated_at})


@dataclass(frozen=True)
class Caller:
    """Who calls an agent through its channel: an application, or one of the users it tells apart.

    Attributes:
        agent_id: The agent.
        end_user: The application's name for its user; empty for the application itself.
    """

    agent_id: str
    end_user: str = ""

    def __str__(self) -> str:
        """Return what tells this caller from all others."""
        return f"{self.agent_id}/{self.end_user}" if self.end_user else self.agent_id

    def owns(self, session: Session) -> bool:
        """Tell whether this caller made a session, through the agent's channel."""
        return (session.agent_id, session.end_user) == (self.agent_id, self.end_user)


_SUMMARIZED = SessionSummary.model_fields.keys() & Session.model_fields.keys()
