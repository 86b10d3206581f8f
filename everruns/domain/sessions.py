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
from everruns.domain.base import Flag, Metadata, Model, Name, Prompt, Tags
from everruns.domain.controls import AnswerControls, GivenAnswerControls
from everruns.domain.events import TurnOutcome
from everruns.domain.forms import PRINTABLE, id_form
from everruns.domain.mcp_servers import (
    MCP_SERVERS_SPELLINGS,
    GivenMcpServer,
    GivenMcpServers,
    InlineMcpServer,
)
from everruns.domain.tools import ClientWait, ToolDefinition
from everruns.domain.usage import Usage
from everruns.domain.waits import Wait, WaitRule

SessionStatus = Literal["started", "active", "idle", "waitingfortoolresults"]
OPEN_STATUSES = frozenset[SessionStatus]({"active", "waitingfortoolresults"})
"""The statuses of a session whose turn is open."""

Locale = Annotated[str, Field(max_length=64)]


class SessionInput(Model):
    """Creates a session. Every field is optional; without an agent the harness alone applies."""

    agent_id: Annotated[str, Field(pattern=id_form("agent"))] | None = None
    agent_name: Name | None = None
    workspace_id: Annotated[str, Field(pattern=id_form("workspace"))] | None = None
    end_user: Annotated[str, Field(pattern=PRINTABLE)] | None = None
    title: Name | None = None
    locale: Locale | None = None
    model_id: ModelName | None = None
    controls: GivenAnswerControls | None = None
    system_prompt: Prompt | None = None
    tags: Tags = Field(default_factory=list)
    metadata: Metadata = Field(default_factory=dict)
    capabilities: Capabilities = Field(default_factory=list[CapabilityConfig])
    tools: ClientTools = Field(default_factory=list[ToolDefinition])
    mcp_servers: GivenMcpServers = Field(
        default_factory=dict[str, GivenMcpServer], validation_alias=MCP_SERVERS_SPELLINGS
    )
    client_tool_wait: ClientWait | None = None
    max_iterations: MaxIterations | None = None
    parallel_tool_calls: Flag | None = None
    initial_files: InitialFiles = Field(default_factory=list[InitialFile])


class SessionPatch(Model):
    """The fields of a session to change; absent fields stay as they are, null removes."""

    title: Name | None = None
    locale: Locale | None = None
    model_id: ModelName | None = None
    controls: GivenAnswerControls | None = None
    system_prompt: Prompt | None = None
    tags: Tags | None = None
    metadata: Metadata | None = None
    capabilities: Capabilities | None = None
    tools: ClientTools | None = None
    mcp_servers: GivenMcpServers | None = Field(None, validation_alias=MCP_SERVERS_SPELLINGS)
    client_tool_wait: ClientWait | None = None
    max_iterations: MaxIterations | None = None
    parallel_tool_calls: Flag | None = None

    def changes(self) -> dict[str, Any]:
        """Return the given fields as values; a list or an object that is removed is empty."""
        empty: dict[str, Any] = {
            "tags": [],
            "metadata": {},
            "capabilities": [],
            "tools": [],
            "mcp_servers": {},
        }
        return {
            name: empty.get(name) if value is None else value
            for name, value in super().changes().items()
        }


class SessionSummary(Model):
    """The part of a session that follows from its event log, stored for lists.

    Written in the same transaction as the events it sums up.

    Attributes:
        suspicion: Evidence since the turn's last event that the open turn crashes its host; see
            ``everruns.runtime.turn``.
        waits_until_ms: Until when the open turn can only wait for outside input, in milliseconds
            since the epoch; ``NEVER_MS`` if nothing but such input can continue it.
        waiting_for: The calls that wait for outside input, without their arguments.
        sleeps: Whether a call of the open turn is suspended for a time.
    """

    status: SessionStatus = "started"
    sequence: int = 0
    usage: Usage = Usage()
    preview: str | None = None
    output_preview: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    last_outcome: TurnOutcome | None = None
    updated_at: str | None = None
    suspicion: int = 0
    waits_until_ms: int | None = None
    waiting_for: list[Wait] = Field(default_factory=list[Wait])
    sleeps: bool = False

    def only_waits(self, now_ms: int) -> bool:
        """Tell whether the open turn can only wait at a time.

        A turn of an older version that does not say for what it waits counts as one that can
        proceed, so that it is loaded once.
        """
        return bool(self.waiting_for or self.sleeps) and (self.waits_until_ms or 0) > now_ms


class Session(Model):
    """A stored session."""

    id: str
    agent_id: str | None = None
    title: str | None = None
    status: SessionStatus = "started"
    model_id: str | None = None
    controls: AnswerControls | None = None
    system_prompt: str | None = None
    locale: str | None = None
    tags: list[str] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)
    capabilities: list[CapabilityConfig] = Field(default_factory=list[CapabilityConfig])
    tools: list[ToolDefinition] = Field(default_factory=list[ToolDefinition])
    mcp_servers: dict[str, InlineMcpServer] = Field(default_factory=dict[str, InlineMcpServer])
    client_tool_wait: WaitRule | None = None
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
    last_outcome: TurnOutcome | None = Field(
        None, description="How the last turn ended; absent while one is open."
    )
    waiting_for: list[Wait] = Field(default_factory=list[Wait])
    end_user: str | None = Field(
        None,
        description="For which end user of the application it is; empty if the application created "
        "it through a channel for itself.",
    )
    forked_from_session_id: str | None = Field(
        None, description="The session whose history it began with; that may be deleted by now."
    )
    forked_from_sequence: int | None = Field(
        None, description="The last event of that session's log that it began with."
    )
    # Known to session hosts, never shown.
    suspicion: SkipJsonSchema[int] = Field(0, exclude=True)

    def summed_up(self, summary: SessionSummary) -> "Session":
        """Return the session with its log's summary applied.

        Its last update is the later one of its log's last event and of its last change.
        """
        decided = {name: getattr(summary, name) for name in _SUMMARIZED}
        updated_at = max(summary.updated_at or "", self.updated_at)
        return self.model_copy(update={**decided, "updated_at": updated_at})


@dataclass(frozen=True)
class Caller:
    """The caller of an agent's channel: an application or one of its end users.

    Attributes:
        agent_id: The agent.
        end_user: The application's name for its user; empty for the application itself.
    """

    agent_id: str
    end_user: str = ""

    def __str__(self) -> str:
        """Return a text that identifies this caller."""
        return f"{self.agent_id}/{self.end_user}" if self.end_user else self.agent_id

    def owns(self, session: Session) -> bool:
        """Tell whether this caller created a session through the agent's channel."""
        return (session.agent_id, session.end_user) == (self.agent_id, self.end_user)


_SUMMARIZED = SessionSummary.model_fields.keys() & Session.model_fields.keys()
