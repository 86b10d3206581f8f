"""The forms in which others write a secret of ours, for rooms that mask it."""

from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

MASK = "***"
"""What is shown in place of a secret, and what a client sends to keep a stored one."""

# Shorter encoded forms are in many words.
LEAST_ENCODED_CHARACTERS = 6


def secret_forms(secret: str) -> set[str]:
    """Return a secret as it may be written: plainly, in an address, in hexadecimal or in base64.

    The forms are in lower case, as ``lowered`` writes it: who looks for them ignores case.
    """
    content = secret.encode("utf-8", "surrogatepass")
    encoded = {content.hex()}
    # Base64 has six bits a character, so within a longer text it depends on the place by three.
    for before in range(3):
        for encode in (b64encode, urlsafe_b64encode):
            text = encode(b"\0" * before + content).decode()
            encoded.add(text[-(-before * 8 // 6) : (before + len(content)) * 8 // 6])
    long = {form for form in encoded if len(form) >= LEAST_ENCODED_CHARACTERS}
    return {lowered(form) for form in {secret, quote(secret, safe="", errors="replace"), *long}}


def lowered(text: str) -> str:
    """Return a text of the same length with the letters A to Z in lower case."""
    # Of bytes, lower() changes these letters alone; of text, it may change the length.
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")
