"""Names that are addresses, and what is made of names that are not."""

import re
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.domain.slugs import MAX_SLUG, SLUG, is_slug, names_of_copies, slug_of

SLUGS = st.from_regex(SLUG, fullmatch=True).filter(lambda slug: len(slug) <= MAX_SLUG)


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Dad Jokes Agent", "dad-jokes-agent"),
        ("  # Résumé, 2nd edition!", "resume-2nd-edition"),
        ("日本語", ""),
        ("already-one", "already-one"),
    ],
)
def test_a_slug_is_made_of_the_words_of_a_text(text: str, slug: str):
    assert slug_of(text) == slug


def test_a_long_text_is_cut_between_words():
    assert slug_of("one two three", longest=9) == "one-two"
    assert slug_of("x" * 100) == "x" * MAX_SLUG


@given(st.text())
def test_whatever_is_made_of_a_text_is_a_slug_or_nothing(text: str):
    assert slug_of(text) == "" or is_slug(slug_of(text))


@given(SLUGS)
def test_a_slug_stays_as_it_is(slug: str):
    assert slug_of(slug) == slug


def test_copies_are_numbered_from_the_second_on():
    names = names_of_copies("helper")

    assert list(islice(names, 3)) == ["helper-copy", "helper-copy-2", "helper-copy-3"]


@given(SLUGS | st.text(min_size=1))
def test_copies_have_different_names_that_are_slugs(name: str):
    names = list(names_of_copies(name))

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(SLUG, copy) and len(copy) <= MAX_SLUG for copy in names)
