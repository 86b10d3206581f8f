"""Keys in what providers say."""

from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from everruns.providers.masking import masked

KEY = "gsk_9Qp/2vX+7LmT?4bWcZ8rYd0KfHs1"
PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=24, max_size=60)


def shown(text: str, key: str = KEY) -> str:
    return masked(text, SecretStr(key))


@pytest.mark.parametrize(
    "echo",
    [
        KEY,
        KEY.upper(),
        f"Bearer {KEY}",
        quote(KEY, safe=""),
        quote(KEY, safe="").lower(),
        KEY[:10],
        KEY[-10:],
        KEY[8:16],
        f"{KEY[:4]}****{KEY[-4:]}",
        f"{KEY[:4]}...{KEY[-4:]}",
        f"{KEY[:4]}…{KEY[-4:]}",
        f"********{KEY[-4:]}",
        KEY.encode().hex(),
        b64encode(KEY.encode()).decode(),
        b64encode(f"user:{KEY}".encode()).decode(),
        b64encode(f"Bearer {KEY}".encode()).decode(),
        urlsafe_b64encode(f"{KEY}:".encode()).decode(),
    ],
)
def test_a_key_does_not_show_in_any_form(echo):
    text = shown(f"The key {echo} is not valid.")

    assert text.startswith("The key ")
    assert text.endswith(" is not valid.")
    assert "***" in text
    assert len(text.removeprefix("The key ").removesuffix(" is not valid.")) <= 20


def test_the_last_characters_alone_do_not_show():
    assert shown(f"The key ending in {KEY[-4:]} was revoked.") == (
        "The key ending in *** was revoked."
    )


def test_what_looks_like_a_key_does_not_show_although_it_is_another_one():
    assert shown("Try sk-other-key-0001, not Basic dXNlcjpwYXNz.") == "Try ***, not ***"


def test_a_text_without_the_key_stays_as_it_is():
    text = "The model `gpt-9` does not exist, or you have no access to it. Müde 🙂 İ."

    assert shown(text) == text


@given(before=st.text(max_size=40), key=PRINTABLE, after=st.text(max_size=40))
def test_no_stretch_of_a_key_is_left(before, key, after):
    text = shown(f"{before}{key}{after}", key)

    assert not any(key[start : start + 6] in text for start in range(len(key) - 5))


@pytest.mark.parametrize("echo", ["Basic dGVhbTpibHVlLXRlYW0x", "dGVhbTpibHVlLXRlYW0x", KEY])
def test_several_secrets_are_masked_in_one_text(echo):
    header = SecretStr("Basic dGVhbTpibHVlLXRlYW0x")

    text = masked(f"Refused {echo} here.", SecretStr(KEY), None, header)

    assert "***" in text
    assert text.replace("*", "").split() == ["Refused", "here."]
