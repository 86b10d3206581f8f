"""Every form that a field can have is said in words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from everruns.domain.forms import WORDS, id_form, words_of_form

DOCUMENT = Path(__file__).parents[3] / "docs" / "openapi.json"
# Of a document in a language of its own, and of secrets, whose validator has words of its own.
NOT_CHECKED_BY_FORM = {r"\S", r"^[!-~]([ -~]*[!-~])?$", r"^[!-~]+$"}


def patterns(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("pattern"), str):
            yield value["pattern"]
        for below in value.values():
            yield from patterns(below)
    elif isinstance(value, list):
        for below in value:
            yield from patterns(below)


def test_every_form_of_the_api_has_words():
    found = set(patterns(orjson.loads(DOCUMENT.read_bytes()))) - NOT_CHECKED_BY_FORM

    assert len(found) > 10
    for pattern in found:
        assert pattern not in words_of_form(pattern), pattern


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (id_form("agent"), "must be agent_ and 32 hexadecimal digits (a-f in lower case)"),
        (
            id_form("(session|agent)"),
            "must be session_ or agent_ and 32 hexadecimal digits (a-f in lower case)",
        ),
    ],
)
def test_the_form_of_an_id_names_its_prefix(pattern: str, words: str):
    assert words_of_form(pattern) == words


def test_all_words_say_what_must_be():
    assert all("must" in words for words in WORDS.values())
