"""API keys. A key is recognised by the hash of its secret; the secret itself is not stored."""

import secrets
from hashlib import sha256

from everruns.domain.base import Model
from everruns.errors import InvalidRequest
from everruns.ids import format_time, new_id, now_ms

SECRET_BYTES = 32
LONGEST_NAME = 100
MAX_KEYS = 1000


class ApiKey(Model):
    """A stored key.

    Attributes:
        id: ``key_…``.
        name: Its purpose, in its owner's words.
        hash: SHA-256 of the secret, in hexadecimal digits.
        last_four: The last characters of the secret, by which its owner recognises it.
        created_at: When it was made.
    """

    id: str
    name: str
    hash: str
    last_four: str
    created_at: str


def new_api_key(name: str) -> tuple[ApiKey, str]:
    """Create a key.

    Returns:
        The key and its secret, which cannot be shown again.

    Raises:
        InvalidRequest: The name is empty, too long, or has characters that are not printable.
    """
    if not (0 < len(name) <= LONGEST_NAME and name.isprintable()):
        raise InvalidRequest(f"The name of a key must be 1 to {LONGEST_NAME} printable characters.")
    secret = f"evr_{secrets.token_urlsafe(SECRET_BYTES)}"
    key = ApiKey(
        id=new_id("key"),
        name=name,
        hash=hash_secret(secret),
        last_four=secret[-4:],
        created_at=format_time(now_ms()),
    )
    return key, secret


def hash_secret(secret: str) -> str:
    """Return the hash by which a key's secret is recognised."""
    return sha256(secret.encode()).hexdigest()
