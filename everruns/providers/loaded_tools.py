"""Tools that a provider loads as soon as a search of ours has found them.

They are declared with the others, but the model reads a definition only where a result refers to
it. What comes before the conversation stays the same, and so does the provider's cache of it.

Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/tool-search-tool, "Custom tool
search implementation", "Model compatibility" and "Limits".
"""

import re
from collections.abc import Mapping
from typing import Any

# All Claudes since 4.5; "Claude Opus 4.1 and earlier models don't support the tool search tool".
_LOADING_MODELS = re.compile(
    r"claude-(opus|sonnet|haiku)-4-[5-9](?!\d)|"
    r"claude-(opus|sonnet|haiku|fable|mythos)-([5-9]|[1-9]\d)(?!\d)|"
    r"claude-mythos-preview"
)
MOST_LOADED_TOOLS = 10_000

# The name by which a provider's settings, or its refusals, turn the loading of tools off.
DEFER_LOADING = "defer_loading"
_REFUSED = re.compile(r"defer[_ -]?loading|deferred|tool[_ ]reference", re.IGNORECASE)
_PLACE_OF_TOOL = re.compile(r"\btools\W{1,3}(\d{1,6})\b")


def loads_found_tools(model_id: str) -> bool:
    """Tell whether Anthropic loads the tools that a model has found."""
    return _LOADING_MODELS.match(model_id) is not None


def is_about_loading(body: Mapping[str, Any], reason: str) -> bool:
    """Tell whether a refusal is about tools that are to be loaded.

    Args:
        body: The body that was refused.
        reason: The provider's words. They name the fields of the feature, or the place of such a
            tool in the body.
    """
    if _REFUSED.search(reason):
        return True
    place = _PLACE_OF_TOOL.search(reason)
    named = (body.get("tools") or ())[int(place[1]) :][:1] if place else ()
    return any(DEFER_LOADING in tool for tool in named)
