"""Agents: a system prompt, a model and capabilities under a name.

Source: docs/contract.md, "Resources", Agent.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from everruns.domain.base import MIB, Description, Flag, Model, Name, Number, Prompt, Tags
from everruns.domain.controls import AnswerControls, GivenAnswerControls
from everruns.domain.forms import id_form
from everruns.domain.mcp_servers import (
    MCP_SERVERS_SPELLINGS,
    GivenMcpServer,
    GivenMcpServers,
    InlineMcpServer,
)
from everruns.domain.tools import ClientWait, GivenTool, ToolDefinition
from everruns.domain.usage import Usage
from everruns.domain.waits import WaitRule
from everruns.errors import TooLarge

AgentStatus = Literal["active", "archived"]


class CapabilityConfig(Model):
    """A capability as an agent or session uses it. A plain string stands for its ``ref``."""

    ref: Annotated[str, Field(min_length=1, max_length=256)]
    config: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _expand_string(cls, value: Any) -> Any:
        return {"ref": value} if isinstance(value, str) else value


class InitialFile(Model):
    """A file that is put into a session's workspace when the session is created."""

    path: Annotated[str, Field(min_length=1, max_length=4096)]
    content: Annotated[str, Field(max_length=MIB)]
    encoding: Literal["text", "base64"] = "text"
    is_readonly: Flag = False


Capabilities = Annotated[list[CapabilityConfig], Field(max_length=250)]
ClientTools = Annotated[list[GivenTool], Field(max_length=50)]
InitialFiles = Annotated[list[InitialFile], Field(max_length=100)]
ModelName = Annotated[str, Field(min_length=1, max_length=512)]
MaxIterations = Annotated[int, Field(ge=1, le=1000), Number]


class AgentFields(Model):
    """The fields of an agent that a client sets, besides its name."""

    display_name: Name | None = None
    description: Description | None = None
    system_prompt: Prompt = ""
    default_model_id: ModelName | None = None
    controls: GivenAnswerControls | None = None
    tags: Tags = Field(default_factory=list)
    capabilities: Capabilities = Field(default_factory=list[CapabilityConfig])
    tools: ClientTools = Field(default_factory=list[ToolDefinition])
    mcp_servers: GivenMcpServers = Field(
        default_factory=dict[str, GivenMcpServer], validation_alias=MCP_SERVERS_SPELLINGS
    )
    client_tool_wait: ClientWait | None = None
    max_iterations: MaxIterations | None = None
    parallel_tool_calls: Flag | None = None
    initial_files: InitialFiles = Field(default_factory=list[InitialFile])


MAX_DEFINITION_BYTES = 2 * MIB
MAX_INITIAL_FILES_BYTES = 8 * MIB


def check_size(definition: Model, initial_files: list[InitialFile]) -> None:
    """Refuse an agent or session whose total size is over the limit.

    Args:
        definition: The agent or session.
        initial_files: Its initial files, which have their own limit.

    Raises:
        TooLarge: The files together, or all other fields together, are over their limit.
    """
    files_bytes = sum(
        len(file.content.encode()) + len(file.path.encode()) for file in initial_files
    )
    if files_bytes > MAX_INITIAL_FILES_BYTES:
        raise TooLarge(
            f"initial_files: have {files_bytes} bytes together, at most {MAX_INITIAL_FILES_BYTES}. "
            "Put large files into a workspace instead."
        )
    size_bytes = len(definition.model_dump_json(exclude={"initial_files"}).encode())
    if size_bytes > MAX_DEFINITION_BYTES:
        raise TooLarge(
            f"All fields but initial_files have {size_bytes} bytes of JSON together, at most "
            f"{MAX_DEFINITION_BYTES}. Shorten the system_prompt or the tools."
        )


class AgentInput(AgentFields):
    """Creates an agent, or replaces the agent with this ``id``."""

    id: Annotated[str, Field(pattern=id_form("agent"))] | None = None
    name: Name


class AgentPatch(AgentFields):
    """The fields of an agent to change; absent fields stay as they are."""

    name: Name = ""


class Agent(Model):
    """A stored agent."""

    id: str
    name: str
    display_name: str | None = None
    description: str | None = None
    system_prompt: str = ""
    default_model_id: str | None = None
    controls: AnswerControls | None = None
    tags: list[str] = Field(default_factory=list)
    capabilities: list[CapabilityConfig] = Field(default_factory=list[CapabilityConfig])
    tools: list[ToolDefinition] = Field(default_factory=list[ToolDefinition])
    mcp_servers: dict[str, InlineMcpServer] = Field(default_factory=dict[str, InlineMcpServer])
    client_tool_wait: WaitRule | None = None
    max_iterations: int | None = None
    parallel_tool_calls: bool | None = None
    initial_files: list[InitialFile] = Field(default_factory=list[InitialFile])
    harness_id: str
    status: AgentStatus = "active"
    usage: Usage | None = None
    created_at: str
    updated_at: str


class ListedAgent(Agent):
    """An agent as lists show it."""

    session_count: int | None = Field(
        None, description="How many sessions it has; with `session_counts=true`."
    )
    active_session_count: int | None = Field(
        None, description="How many of them have an open turn; with `session_counts=true`."
    )
