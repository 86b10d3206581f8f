"""Idempotency keys: how a repeated request is recognised.

Source: docs/contract.md, "Turns", ``Idempotency-Key``.
"""

from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True)
class Idempotency:
    """A client's key and what it was sent with, as digests: the key itself is never kept.

    Attributes:
        key: Digest of the scope and the key.
        request: Digest of the body.
    """

    key: str
    request: str

    @classmethod
    def of(cls, scope: str, key: str, body: bytes) -> "Idempotency":
        """Digest a request's key and its body.

        Args:
            scope: For what the key counts: the route, the resource and the caller.
            key: The key.
            body: The body.
        """
        scoped = f"{scope}\n{key}".encode()
        return cls(sha256(scoped).hexdigest(), sha256(body).hexdigest())
