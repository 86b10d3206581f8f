"""Slugs: names that can be used in URLs, such as ``research-assistant``.

Source: docs/contract.md, "Routes"; docs/sdk.md, "Agents as documents".
"""

import re
import unicodedata
from collections.abc import Iterator

from everruns.domain.forms import SLUG

MAX_SLUG = 64
MAX_COPIES = 100
# Longer texts are cut before they are processed.
READ_CHARACTERS = 1_000


def is_slug(name: str) -> bool:
    """Tell whether a name is a slug."""
    return len(name) <= MAX_SLUG and re.fullmatch(SLUG, name) is not None


def slug_of(text: str, longest: int = MAX_SLUG) -> str:
    """Return the slug nearest to a text: as many of its words as fit.

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
    """Yield names for copies of an agent, in order: ``name-copy``, ``name-copy-2``, ….

    A name is cut if it leaves no room for the suffix.
    """
    stem = name if is_slug(name) else slug_of(name) or "agent"
    for number in range(1, MAX_COPIES + 1):
        ending = "-copy" if number == 1 else f"-copy-{number}"
        yield stem[: MAX_SLUG - len(ending)].rstrip("-") + ending
