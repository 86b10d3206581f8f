"""Names of fields: what other APIs call them, and which known one was meant.

Source: docs/contract.md, "Requests".
"""

import re
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches

LONGEST_SHOWN = 64
SHOWN_FIELDS = 40
CAPITAL = re.compile(r"(?<=[a-z0-9])[A-Z]")

# What other APIs and people call our fields; the first that is known at the place counts.
NAMES_ELSEWHERE: Mapping[str, Sequence[str]] = {
    "agent": ("agent_id", "agent_name"),
    "assistant": ("agent_id", "agent_name"),
    "assistant_id": ("agent_id",),
    "count": ("limit",),
    "cursor": ("after_sequence", "page_token"),
    "effort": ("reasoning",),
    "end": ("to_ts",),
    "files": ("initial_files",),
    "input": ("content", "message"),
    "instructions": ("system_prompt",),
    "kind": ("type", "provider_type"),
    "label": ("name", "title", "tags"),
    "labels": ("tags",),
    "max_completion_tokens": ("max_output_tokens",),
    "max_results": ("limit",),
    "max_steps": ("max_iterations",),
    "max_tokens": ("max_output_tokens",),
    "max_turns": ("max_iterations",),
    "message": ("content",),
    "messages": ("message",),
    "model": ("default_model_id", "model_id"),
    "model_id": ("default_model_id",),
    "model_name": ("default_model_id", "model_id"),
    "default_model_id": ("model_id",),
    "page": ("offset", "page_token"),
    "page_size": ("limit",),
    "per_page": ("limit",),
    "prompt": ("system_prompt", "content"),
    "provider": ("provider_type",),
    "q": ("search",),
    "query": ("search", "q", "pattern"),
    "reasoning_effort": ("reasoning",),
    "size": ("limit",),
    "skip": ("offset",),
    "start": ("from_ts",),
    "stop_sequences": ("stop",),
    "system": ("system_prompt",),
    "tag": ("tags",),
    "text": ("content",),
    "thinking": ("reasoning",),
    "url": ("base_url",),
}


def nearest_name(name: str, known: Collection[str]) -> str | None:
    """Return the known name that was most likely meant, if one is near.

    Args:
        name: As it was given; ``camelCase`` counts as ``snake_case``.
        known: The names that there are.
    """
    snake_case = CAPITAL.sub(r"_\g<0>", name[:LONGEST_SHOWN]).lower().replace("-", "_")
    for meant in (snake_case, *NAMES_ELSEWHERE.get(snake_case, ())):
        if meant in known:
            return meant
    of_its_words = (other for other in sorted(known) if snake_case in other.split("_"))
    return next(iter(get_close_matches(snake_case, known, 1)), None) or next(of_its_words, None)


def unknown_name(known: Collection[str], name: str, noun: str = "field") -> str:
    """Return what to say about a name that nothing has: the nearest one, and those there are.

    Args:
        known: The names that there are.
        name: As it was given.
        noun: What it names.
    """
    if not known:
        return f"unknown {noun}. There are none here."
    near = nearest_name(name, known)
    listed = sorted(known)
    more = ", …" if len(listed) > SHOWN_FIELDS else ""
    hint = f" Did you mean {near!r}?" if near else ""
    return f"unknown {noun}.{hint} Known {noun}s: {', '.join(listed[:SHOWN_FIELDS])}{more}"
