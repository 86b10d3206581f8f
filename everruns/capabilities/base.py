"""A capability: text for the system prompt, and tools."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from everruns.domain.capabilities import CapabilityStatus
from everruns.tools.base import Tool


@dataclass(frozen=True)
class Capability:
    """Something that an agent can do, enabled by its ``id``.

    Attributes:
        id: The stable name that agents refer to.
        name: For people.
        description: For people, one or two sentences.
        icon: Name of an icon (Lucide's names).
        category: Heading under which lists show it.
        status: Only ``available`` ones can be used.
        system_prompt: Added to the agent's system prompt, if any.
        tools: Offered to the model, in this order.
        config_schema: JSON Schema of the ``config`` an agent may give, if it takes one.
        dependencies: Ids of capabilities that it brings along.
    """

    id: str
    name: str
    description: str
    icon: str | None = None
    category: str | None = None
    status: CapabilityStatus = "available"
    system_prompt: str | None = None
    tools: Sequence[Tool] = ()
    config_schema: dict[str, Any] | None = None
    dependencies: Sequence[str] = ()


Capabilities = Mapping[str, Capability]
"""Capabilities by id."""
