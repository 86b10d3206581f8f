"""Servers of the catalogue as capabilities: ``mcp:`` and the server's name."""

from collections.abc import Iterable
from typing import Any

from everruns.capabilities.base import Capabilities, Capability, Opens, Preparation, Restrict
from everruns.domain.mcp_choice import MCP_PREFIX
from everruns.domain.mcp_servers import MAX_TOOL_NAMES, McpServer

TOOL_NAMES: dict[str, Any] = {
    "type": "array",
    "items": {"type": "string", "minLength": 1, "maxLength": 256},
    "maxItems": MAX_TOOL_NAMES,
}
CONFIG_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "allowed_tools": {
            **TOOL_NAMES,
            "title": "Tools to offer",
            "description": "By the server's names; no more than its entry allows. By default, all "
            "that it allows.",
        },
        "require_approval": {
            "title": "Calls to hold for approval",
            "anyOf": [
                {
                    "title": "All or none",
                    "description": "always, never",
                    "type": "string",
                    "enum": ["always", "never"],
                },
                {
                    "title": "Those of some tools",
                    "description": "a list of names of tools",
                    **TOOL_NAMES,
                },
            ],
            "default": "never",
            "description": "Tools whose calls are held for approval, besides those of the "
            "server's entry.",
        },
    },
    "additionalProperties": False,
}


def server_capability(
    name: str,
    description: str | None = None,
    preparation: Preparation | None = None,
    restrict: Restrict | None = None,
    opens: Opens | None = None,
) -> Capability:
    """Return the capability that offers a server's tools.

    Args:
        name: The server's name.
        description: What it is for.
        preparation: Finds its tools; only turns need it.
        restrict: What may be offered now of the tools that it found before.
        opens: Whether there is more to find once one of them has a result.
    """
    return Capability(
        id=MCP_PREFIX + name,
        name=name,
        description=description or f"The tools of the MCP server {name}.",
        icon="plug",
        category="MCP servers",
        config_schema=CONFIG_SCHEMA,
        preparation=preparation,
        restrict=restrict,
        opens=opens,
    )


def with_mcp_servers(capabilities: Capabilities, servers: Iterable[McpServer]) -> Capabilities:
    """Return all capabilities: the known ones, then one for each active server."""
    active = [server for server in servers if server.status == "active"]
    found = [server_capability(server.name, server.description) for server in active]
    return {**capabilities, **{capability.id: capability for capability in found}}
