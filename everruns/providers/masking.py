"""Masking a provider's secrets in the provider's own texts.

Providers quote keys and headers in their errors: whole, in part, or as they stood in a URL.
"""

import re

from pydantic import SecretStr

from everruns.domain.secret_forms import MASK, lowered, secret_forms

# A stretch this long that text and key share is taken to come from the key.
SHARED_CHARACTERS = 6
# Many services tell keys apart by their last four characters.
TAIL_CHARACTERS = 4
LONG_KEY_CHARACTERS = 16

_KEY_LIKE = re.compile(r"\b(?:sk|key)-[\w*.\-]{4,}|\b(?:Bearer|Basic)\s+\S+")
_ELLIPSIS = r"(?:\*{2,}|\.{3,}|…|•{2,}|x{3,}|X{3,})"


def masked(text: str, *secrets: SecretStr | None) -> str:
    """Return a text with everything masked that is, or looks like, a secret.

    Args:
        text: Of any origin.
        secrets: The keys to mask: whole, in part, URL-encoded, as base64 or in hexadecimal. The
            last word of a header such as ``Bearer …`` is masked alone too.
    """
    for secret in secrets:
        key = secret.get_secret_value().strip() if secret else ""
        for part in dict.fromkeys([key, *key.split()[-1:]] if key else ()):
            for form in secret_forms(part):
                text = _without(text, form)
            text = _without_ends(text, part)
    return _KEY_LIKE.sub(MASK, text)


def _without(text: str, form: str) -> str:
    """Mask every stretch that a text shares with one form of the key, in lower case."""
    length = min(SHARED_CHARACTERS, len(form))
    plain = lowered(text)
    pieces = {form[start : start + length] for start in range(len(form) - length + 1)}
    kept: list[str] = []
    masked_to = shown_from = 0
    for start in range(len(plain) - length + 1):
        if plain[start : start + length] in pieces:
            if start > masked_to or not kept:
                kept += [text[shown_from:start], MASK]
            masked_to = shown_from = start + length
    return "".join([*kept, text[shown_from:]])


def _without_ends(text: str, key: str) -> str:
    """Mask an abbreviated key, such as ``abcd…wxyz``, and its last characters alone."""
    if len(key) < LONG_KEY_CHARACTERS:
        return text
    head, tail = re.escape(key[:3]), re.escape(key[-TAIL_CHARACTERS:])
    abbreviated = rf"{head}\w*{_ELLIPSIS}\S*|\S*{_ELLIPSIS}\w*{tail}|(?<!\w){tail}(?!\w)"
    return re.sub(abbreviated, MASK, text)
