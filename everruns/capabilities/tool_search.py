"""How many tools an agent is shown before it has to search for the others.

The search needs no capability; this one lets an agent choose other bounds than the deployment's.
"""

from collections.abc import Mapping
from typing import Any

from everruns.capabilities.base import Capability

MOST_LISTED = 10_000

TOOL_SEARCH = Capability(
    id="tool_search",
    name="Tool Search",
    description="Sets how many tools the agent is shown before it has to search for the others.",
    icon="search",
    config_schema={
        "type": "object",
        "properties": {
            "max_listed_tools": {
                "title": "Tools shown at most",
                "type": "integer",
                "minimum": 0,
                "maximum": MOST_LISTED,
                "description": "Above so many tools most are searched for; 0 means never. By "
                "default, as the setting max_listed_tools says.",
            },
            "always_listed": {
                "title": "Always shown",
                "type": "array",
                "items": {"type": "string", "minLength": 1, "maxLength": 256},
                "maxItems": 1_000,
                "default": [],
                "description": "Names of tools, and ids of capabilities, that stay listed.",
            },
        },
        "additionalProperties": False,
    },
)


def most_listed(config: Mapping[str, Any], deployment: int) -> int:
    """Return above how many tools most are deferred; 0 for never.

    Args:
        config: The capability's config; empty if the agent does not use it.
        deployment: The deployment's number.
    """
    return config.get("max_listed_tools", deployment)


def always_listed(config: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of tools, and ids of capabilities, that are never deferred."""
    return frozenset(config.get("always_listed", ()))
