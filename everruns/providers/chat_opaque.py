"""Reasoning in a server's own form, which goes back as it came.

OpenRouter sends ``reasoning_details``, LiteLLM ``thinking_blocks``, Gemini ``extra_content``. In a
stream they come in pieces.

Source: https://openrouter.ai/docs/use-cases/reasoning-tokens,
https://docs.litellm.ai/docs/reasoning_content and
https://ai.google.dev/gemini-api/docs/thought-signatures.
"""

from typing import Any, cast

OPAQUE_FIELDS = ("reasoning_details", "thinking_blocks", "extra_content")
_GROWING = ("text", "summary", "thinking")


def joined(before: Any, piece: Any) -> Any:
    """Return a value with its next piece: lists grow by items, items by their texts."""
    if isinstance(before, list) and isinstance(piece, list):
        items = cast("list[Any]", before)
        for item in cast("list[Any]", piece):
            if (place := _continued(items, item)) is None:
                items = [*items, item]
            else:
                items = [*items[:place], _grown(items[place], item), *items[place + 1 :]]
        return items
    if isinstance(before, dict) and isinstance(piece, dict):
        return {**cast("dict[str, Any]", before), **cast("dict[str, Any]", piece)}
    return piece


def _continued(items: list[Any], piece: Any) -> int | None:
    """Return the place of the item that a piece continues; ``None`` if it is a new item."""
    if not isinstance(piece, dict):
        return None
    fields = cast("dict[str, Any]", piece)
    for place in reversed(range(len(items))):
        item = items[place]
        same = isinstance(item, dict) and all(
            cast("dict[str, Any]", item).get(name) == fields.get(name) for name in ("type", "index")
        )
        if same:
            sealed = "index" not in fields and cast("dict[str, Any]", item).get("signature")
            return None if sealed else place
        if "index" not in fields:
            return None
    return None


def _grown(item: dict[str, Any], piece: dict[str, Any]) -> dict[str, Any]:
    grown = dict(item)
    for name, value in piece.items():
        old = grown.get(name)
        if name in _GROWING and isinstance(old, str) and isinstance(value, str):
            grown[name] = old + value
        elif value is not None:
            grown[name] = value
    return grown
