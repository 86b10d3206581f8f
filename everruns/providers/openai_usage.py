"""Token counts of OpenAI's APIs, wherever a server puts them.

Source: docs/providers.md, "Servers that were tried".
"""

from collections.abc import Mapping
from typing import Any, cast

from everruns.domain.usage import Usage, read_token_count

_CACHED = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens")
_WRITTEN = ("cache_write_tokens", "cache_creation_input_tokens")


def read_usage(holder: Mapping[str, Any]) -> Usage | None:
    """Return the token counts of an event, or ``None`` if it has none that are plausible.

    Args:
        holder: The event; or its choice, where Moonshot puts them.
    """
    counted = _usage(_mapping(holder.get("usage") or _mapping(holder.get("x_groq")).get("usage")))
    return counted if counted.input_tokens or counted.output_tokens else None


def _usage(usage: Mapping[str, Any]) -> Usage:
    details = _mapping(usage.get("prompt_tokens_details") or usage.get("input_tokens_details"))
    asked = _first(usage, "prompt_tokens", "input_tokens") or 0
    answered = _first(usage, "completion_tokens", "output_tokens") or 0
    # xAI and Gemini count reasoning in the total alone.
    total = read_token_count(usage.get("total_tokens")) or 0
    return Usage(
        input_tokens=asked,
        output_tokens=max(answered, total - asked) if asked else answered,
        cache_read_tokens=_first({**usage, **details}, *_CACHED),
        cache_creation_tokens=_first({**usage, **details}, *_WRITTEN),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _first(counts: Mapping[str, Any], *names: str) -> int | None:
    """Return the first plausible count under one of these names."""
    found = (read_token_count(counts.get(name)) for name in names)
    return next((count for count in found if count is not None), None)
