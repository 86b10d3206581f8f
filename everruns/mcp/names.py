"""The names under which a server's tools are offered.

Every provider takes them, and no two tools share one, whatever servers call theirs.

Source: docs/mcp.md, "Names".
"""

import re
from collections.abc import Iterable
from hashlib import blake2s

MAX_CHARACTERS = 64
_HASH_CHARACTERS = 8
_REFUSED = re.compile(r"[^A-Za-z0-9_-]")


def tool_name(server: str, tool: str) -> str:
    """Return the name of a server's tool: ``mcp_<server>__<tool>``.

    A name that has to be changed or cut ends with a hash of both raw names, so that no two tools
    share one.
    """
    # Otherwise the first "__" might not be the separator, and two pairs could give the same name.
    is_separable = "__" not in server and not server.endswith("_")
    whole = f"mcp_{server}__{tool}"
    if is_separable and len(whole) <= MAX_CHARACTERS and not _REFUSED.search(whole):
        return whole
    return _hashed(server, tool)


def tool_names(server: str, tools: Iterable[str]) -> dict[str, str]:
    """Return the names of a server's tools by its own names for them."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for tool in sorted(set(tools)):
        name = tool_name(server, tool)
        names[tool] = _hashed(server, tool) if name in taken else name
        taken.add(names[tool])
    return names


def _hashed(server: str, tool: str) -> str:
    clean = _REFUSED.sub("_", f"mcp_{server}__{tool}")
    return cut_with_hash(clean, (server, tool), MAX_CHARACTERS)


def cut_with_hash(text: str, names: tuple[str, str], limit: int) -> str:
    """Return a text of at most ``limit`` characters that ends with a hash of two names.

    Args:
        text: What stands before the hash, as far as there is room.
        names: What the text is made of; no other two give the same hash.
        limit: In characters.
    """
    raw = "\0".join(names).encode("utf-8", "surrogatepass")
    suffix = blake2s(raw, digest_size=_HASH_CHARACTERS // 2).hexdigest()
    return f"{text[: limit - _HASH_CHARACTERS - 1]}_{suffix}"
