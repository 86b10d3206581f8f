"""Servers of the Model Context Protocol that agents use.

Source: docs/contract.md, "Resources", MCP server.
"""

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from everruns.domain.base import Model

McpTransport = Literal["http", "sse", "stdio"]
"""``http`` is streamable HTTP; ``stdio`` runs a program that the configuration names."""

MCP_SERVER_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"


class McpAccount(Model):
    """An MCP server together with its secrets; only for the client.

    Attributes:
        name: Its name in the catalogue, the configuration, or the map of an agent or session.
        type: How it is reached.
        url: Its address; ``None`` for ``stdio``.
        headers: Sent with every request; their values are secrets.
        command: The program and its arguments for ``stdio``; only from the configuration.
        environment: The program's environment variables; their values are secrets.
        allowed_tools: The server's names of the tools to offer; ``None`` offers all.
        require_approval: The server's names of the tools whose calls are held for approval, or
            ``always`` or ``never``.
    """

    name: Annotated[str, Field(pattern=MCP_SERVER_NAME)]
    type: McpTransport = "http"
    url: str | None = None
    headers: dict[str, SecretStr] = Field(default_factory=dict[str, SecretStr])
    command: list[str] = Field(default_factory=list)
    environment: dict[str, SecretStr] = Field(default_factory=dict[str, SecretStr])
    allowed_tools: list[str] | None = None
    require_approval: Literal["always", "never"] | list[str] = "never"
