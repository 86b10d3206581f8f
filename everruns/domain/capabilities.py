"""Capabilities as a client sees them.

Source: docs/contract.md, "Resources", Capability.
"""

from typing import Any, Literal

from pydantic import Field

from everruns.domain.base import Model
from everruns.domain.tools import ToolDefinition

CapabilityStatus = Literal["available", "coming_soon", "deprecated"]


class CapabilityInfo(Model):
    """Something that an agent can do, enabled by its ``id``."""

    id: str
    name: str
    description: str
    status: CapabilityStatus
    icon: str | None = None
    category: str | None = None
    system_prompt: str | None = None
    tool_definitions: list[ToolDefinition] = Field(default_factory=list[ToolDefinition])
    config_schema: dict[str, Any] | None = None
    dependencies: list[str] = Field(default_factory=list)
    is_mcp: bool = False
    is_skill: bool = False
