"""Idempotency keys: how a retried request is recognised.

Source: docs/contract.md, "Turns", ``Idempotency-Key``.
"""

from dataclasses import dataclass
from hashlib import sha256

from everruns.ids import new_id


@dataclass(frozen=True)
class Idempotency:
    """Digests of a client's key and its request; the key itself is never stored.

    Attributes:
        key: Digest of the scope and the key; for a call without a client's key, an id.
        request: Digest of the body; empty for a call without a client's key.
        is_of_call: Whether the key marks one call between processes and comes from no client.
        is_repeated: Whether this is a retry, so that the call may have been carried out before.
    """

    key: str
    request: str
    is_of_call: bool = False
    is_repeated: bool = False

    @classmethod
    def of_call(cls) -> "Idempotency":
        """Return a key for one call between processes that has no client's key."""
        return cls(new_id("request"), "", is_of_call=True)

    @property
    def is_new(self) -> bool:
        """Whether nothing can be stored under the key yet."""
        return self.is_of_call and not self.is_repeated

    def new_id(self, prefix: str) -> str:
        """Return the id of the resource that the call creates, the same at each attempt.

        A client's key gives no ids: its first result is found by its receipt.
        """
        return f"{prefix}_{self.key.rpartition('_')[2]}" if self.is_of_call else new_id(prefix)

    @classmethod
    def of(cls, scope: str, key: str, body: bytes) -> "Idempotency":
        """Digest a request's key and its body.

        Args:
            scope: The scope of the key: the route, the resource and the caller.
            key: The key.
            body: The body.
        """
        scoped = f"{scope}\n{key}".encode()
        return cls(sha256(scoped).hexdigest(), sha256(body).hexdigest())
