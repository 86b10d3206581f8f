"""Servers of the Model Context Protocol that agents use.

They stand in a catalogue, for every agent, or in the map of one agent or session; programs that
are started to be servers stand in the deployment's configuration alone.

Source: docs/contract.md, "Resources", MCP server.
"""

from hashlib import blake2s
from typing import Annotated, Any, Literal, cast

from pydantic import AliasChoices, ConfigDict, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from everruns.domain.base import Description, Model
from everruns.domain.forms import MCP_SERVER_NAME, MCP_URL
from everruns.domain.headers import Headers, SealedHeaders
from everruns.domain.mcp_auth import ActsAs, GivenMcpAuth, McpAuth
from everruns.domain.secret_forms import MASK

McpTransport = Literal["http", "sse", "stdio"]
"""``http`` is streamable HTTP; ``stdio`` runs a program that the configuration names."""

McpServerStatus = Literal["active", "disabled"]
MAX_INLINE_SERVERS = 20
MAX_TOOL_NAMES = 500
McpServerName = Annotated[str, Field(pattern=MCP_SERVER_NAME)]
McpUrl = Annotated[str, Field(max_length=2048, pattern=MCP_URL)]
McpToolName = Annotated[str, Field(min_length=1, max_length=256)]
McpToolNames = Annotated[list[McpToolName], Field(max_length=MAX_TOOL_NAMES)]
ApprovalPolicy = Literal["always", "never"] | McpToolNames
"""The server's names of the tools whose calls are held for approval, or all or none of them."""


class McpAccount(Model):
    """An MCP server together with its secrets; only for the client.

    Attributes:
        name: Its name in the catalogue, the configuration, or the map of an agent or session.
        type: How it is reached.
        url: Its address; ``None`` for ``stdio``.
        headers: Sent with every request; their values are secrets.
        id: Its id in the catalogue, if it wants OAuth.
        acts_as: For whom requests are authorized; ``None`` if headers suffice.
        command: The program and its arguments for ``stdio``; only from the configuration.
        environment: The program's environment variables; their values are secrets.
        allowed_tools: The server's names of the tools to offer; ``None`` offers all.
        require_approval: The server's names of the tools whose calls are held for approval, or
            ``always`` or ``never``.
    """

    name: McpServerName
    type: McpTransport = "http"
    url: str | None = None
    headers: dict[str, SecretStr] = Field(default_factory=dict[str, SecretStr])
    id: str | None = None
    acts_as: ActsAs | None = None
    command: list[str] = Field(default_factory=list)
    environment: dict[str, SecretStr] = Field(default_factory=dict[str, SecretStr])
    allowed_tools: list[str] | None = None
    require_approval: ApprovalPolicy = "never"


class GivenMcpServer(Model):
    """A server as a client sends it; a header's value ``***`` keeps the stored one."""

    type: Literal["http", "sse"] = "http"
    url: McpUrl
    headers: Headers | None = None
    allowed_tools: McpToolNames | None = None
    require_approval: ApprovalPolicy = "never"

    @model_validator(mode="before")
    @classmethod
    def _refuse_programs(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        given = cast("dict[str, Any]", value)
        if given.get("type") == "stdio" or "command" in given:
            raise PydanticCustomError(
                "mcp_program",
                "a server that is a program (stdio) can only be named in the deployment's "
                "configuration, as mcp_servers.NAME with its command",
            )
        return given


GivenMcpServers = Annotated[
    dict[McpServerName, GivenMcpServer],
    Field(max_length=MAX_INLINE_SERVERS, json_schema_extra={"additionalProperties": False}),
]
MCP_SERVERS_SPELLINGS = AliasChoices("mcp_servers", "mcpServers")
"""The names of the field of inline servers; the second is that of other clients' files."""


class McpServerInput(GivenMcpServer):
    """Adds a server to the catalogue."""

    name: McpServerName
    auth: GivenMcpAuth | None = None
    description: Description | None = None
    status: McpServerStatus = "active"


class McpServerPatch(GivenMcpServer):
    """The fields of a server to change; absent fields stay as they are."""

    url: McpUrl = "-"
    name: McpServerName = "-"
    auth: GivenMcpAuth | None = None
    description: Description | None = None
    status: McpServerStatus = "active"


class InlineMcpServer(Model):
    """A stored server of one agent or session."""

    type: Literal["http", "sse"] = "http"
    url: str
    headers: SealedHeaders = Field(default_factory=dict[str, str])
    allowed_tools: list[str] | None = None
    require_approval: ApprovalPolicy = "never"


class McpServer(Model):
    """A server of the catalogue or of the configuration.

    ``command`` and ``environment`` are those of a program, which the configuration names; it has no
    times. The values of ``headers`` and ``environment`` are secrets.
    """

    id: str
    name: str
    type: McpTransport = "http"
    url: str | None = None
    headers: SealedHeaders = Field(default_factory=dict[str, str])
    auth: McpAuth | None = None
    command: list[str] = Field(default_factory=list)
    environment: dict[str, str] = Field(default_factory=dict[str, str])
    description: str | None = None
    allowed_tools: list[str] | None = None
    require_approval: ApprovalPolicy = "never"
    status: McpServerStatus = "active"
    created_at: str | None = None
    updated_at: str | None = None

    @property
    def is_configured(self) -> bool:
        """Whether it is in the configuration, and can only be changed there."""
        return self.type == "stdio"


class McpProgram(Model):
    """A program that is a server, as the configuration names it."""

    model_config = ConfigDict(extra="forbid")

    command: Annotated[str, Field(min_length=1)]
    args: list[str] = Field(default_factory=list)
    env: dict[str, SecretStr] = Field(default_factory=dict[str, SecretStr])
    allowed_tools: McpToolNames | None = None
    require_approval: ApprovalPolicy = "never"

    def account(self, name: str) -> McpAccount:
        """Return the server that the client runs."""
        return McpAccount(
            name=name,
            type="stdio",
            command=[self.command, *self.args],
            environment=self.env,
            allowed_tools=self.allowed_tools,
            require_approval=self.require_approval,
        )


def shown(program: McpAccount) -> McpServer:
    """Return a configured server as the catalogue lists it, without its secrets."""
    digest = blake2s(program.name.encode(), digest_size=16).hexdigest()
    return McpServer(
        id=f"mcpserver_{digest}",
        name=program.name,
        type=program.type,
        command=program.command,
        environment=dict.fromkeys(sorted(program.environment), MASK),
        allowed_tools=program.allowed_tools,
        require_approval=program.require_approval,
    )


class McpToolInfo(Model):
    """A tool that a server offers, by the server's own name."""

    name: str
    description: str | None = None


class McpProbed(Model):
    """What a server says about itself."""

    server_name: str | None = None
    server_version: str | None = None
    protocol_version: str | None = None
    tools: list[McpToolInfo] = Field(default_factory=list[McpToolInfo])


class McpTested(McpProbed):
    """What came of connecting to a server and listing its tools."""

    ok: bool
    duration_ms: int
    code: str | None = None
    message: str
