"""Slugs: names that are addresses, such as ``research-assistant``.

Source: docs/contract.md, "Routes"; docs/sdk.md, "Agents as documents".
"""

import re
import unicodedata
from collections.abc import Iterator

SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"
MAX_SLUG = 64
MAX_COPIES = 100
# Of a longer text only so much is looked at.
READ_CHARACTERS = 1_000


def is_slug(name: str) -> bool:
    """Tell whether a name is an address."""
    return len(name) <= MAX_SLUG and re.fullmatch(SLUG, name) is not None


def slug_of(text: str, longest: int = MAX_SLUG) -> str:
    """Return the slug that is nearest to a text: its words, as many as there is room for.

    Empty if the text has no letter that ASCII has a form of, and no digit.
    """
    plain = unicodedata.normalize("NFKD", text[:READ_CHARACTERS]).encode("ascii", "ignore")
    words = re.findall(r"[a-z0-9]+", plain.decode().lower())
    slug = "-".join(words)
    if len(slug) <= longest:
        return slug
    whole_words = slug[: longest + 1].rpartition("-")[0]
    return whole_words or slug[:longest]


def names_of_copies(name: str) -> Iterator[str]:
    """Yield what copies of an agent may be called, in order: ``name-copy``, ``name-copy-2``, ….

    A name too long for its ending is cut.
    """
    stem = name if is_slug(name) else slug_of(name) or "agent"
    for number in range(1, MAX_COPIES + 1):
        ending = "-copy" if number == 1 else f"-copy-{number}"
        yield stem[: MAX_SLUG - len(ending)].rstrip("-") + ending
