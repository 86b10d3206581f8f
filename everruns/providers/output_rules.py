"""Which schemas of structured answers a provider can enforce.

Source: https://developers.openai.com/api/docs/guides/structured-outputs and
https://platform.claude.com/docs/en/build-with-claude/structured-outputs.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class OutputRules:
    """What a provider takes of the schemas of structured answers.

    Attributes:
        is_all_required: Whether each property must be required; one that need not be there may
            then be null.
        may_recur: Whether a schema may refer to itself.
        keywords: The keywords that it enforces, besides those that describe the structure.
        formats: The formats of texts that it knows.
        plain_properties: Whether names of properties must be plain letters, digits, ``_.-``.
        most_items: The largest ``minItems`` that it takes.
        with_tools: Whether it can enforce a schema while the model may call tools. Servers that
            bind the model to a grammar from the first token on would keep it from calling any.
    """

    is_all_required: bool = True
    may_recur: bool = True
    keywords: frozenset[str] = frozenset()
    formats: frozenset[str] = frozenset()
    plain_properties: bool = False
    most_items: int | None = None
    with_tools: bool = False


_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
)
NUMBERS = frozenset({"multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"})
USUAL_OUTPUT = OutputRules(
    keywords=NUMBERS | {"pattern", "format", "minItems", "maxItems"}, formats=_FORMATS
)
OPENAI_OUTPUT = replace(USUAL_OUTPUT, with_tools=True)
ANTHROPIC_OUTPUT = OutputRules(
    is_all_required=False,
    may_recur=False,
    keywords=frozenset({"format", "minItems"}),
    formats=_FORMATS | {"uri"},
    plain_properties=True,
    most_items=1,
    with_tools=True,
)
