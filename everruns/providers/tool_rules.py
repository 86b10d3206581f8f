"""The names and descriptions of tools in a form that a provider takes.

A tool whose name or schema is refused would be refused with every request of its session.

Source: docs/providers.md, "Tools".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2s

from everruns.domain.tools import ToolDefinition

USUAL_NAME = r"[a-zA-Z0-9_-]{1,64}"
MAX_NAME_CHARACTERS = 64
_REFUSED_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_GEMINI_KEYWORDS = frozenset(
    {
        *("type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems"),
        *("properties", "required", "minProperties", "maxProperties", "minLength", "maxLength"),
        *("pattern", "anyOf", "default", "items", "minimum", "maximum"),
    }
)


@dataclass(frozen=True)
class ToolRules:
    """What a provider takes of tools.

    Attributes:
        name: The form of names, as a regular expression; each also has the usual form.
        description: Most characters of a description.
        plain_properties: Whether names of properties must be plain letters, digits, ``_.-``.
        keywords: The keywords of schemas that it knows; ``None`` for all. Where they are limited,
            references are replaced by what they refer to, and each schema has one type.
        with_calls: Whether a conversation with calls needs tools.
    """

    name: str = USUAL_NAME
    description: int | None = None
    plain_properties: bool = False
    keywords: frozenset[str] | None = field(default=None, repr=False)
    with_calls: bool = False


ANY_TOOLS = ToolRules()
OPENAI_TOOLS = ToolRules(description=1024)
ANTHROPIC_TOOLS = ToolRules(plain_properties=True)
GATEWAY_TOOLS = ToolRules(plain_properties=True, with_calls=True)
GEMINI_TOOLS = ToolRules(name=r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}", keywords=_GEMINI_KEYWORDS)
MOONSHOT_TOOLS = ToolRules(name=r"[a-zA-Z][a-zA-Z0-9_-]{0,63}")


def sent_name(name: str, rules: ToolRules = ANY_TOOLS) -> str:
    """Return a tool's name in a form that a provider takes.

    A name that has to change ends with a hash of itself, so that two stay two.
    """
    if re.fullmatch(rules.name, name):
        return name
    if not name:
        return "unnamed"
    plain = _REFUSED_IN_NAMES.sub("_", name)
    mark = blake2s(name.encode(), digest_size=4).hexdigest()
    plain = plain if re.fullmatch(rules.name, plain[:1]) else f"t{plain}"
    return f"{plain[: MAX_NAME_CHARACTERS - len(mark) - 1]}_{mark}"


def own_names(tools: Sequence[ToolDefinition], rules: ToolRules) -> dict[str, str]:
    """Return the names of tools by the names under which they were sent, if these differ."""
    sent = {sent_name(tool.name, rules): tool.name for tool in tools}
    return {theirs: ours for theirs, ours in sent.items() if theirs != ours}


def sent_description(tool: ToolDefinition, rules: ToolRules = ANY_TOOLS) -> str:
    """Return a tool's description, cut to the length that a provider takes."""
    text = tool.description
    if rules.description is None or len(text) <= rules.description:
        return text
    return text[: rules.description - 1] + "…"
