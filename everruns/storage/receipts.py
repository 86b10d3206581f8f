"""What a store promises about the receipts of requests with an ``Idempotency-Key``."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Receipt:
    """Remembers the answer to a request that came with an ``Idempotency-Key``.

    Attributes:
        key: Digest of the route and the key.
        request: Digest of the request's body.
        answer: The JSON of the answer.
        resource_id: The resource that the answer is about. A session's answers are deleted with it.
    """

    key: str
    request: str
    answer: bytes
    resource_id: str | None = None


class ReceiptStore(Protocol):
    """Keeps receipts, each of which is stored together with the resource that it is about."""

    def find(self, key: str) -> Receipt | None:
        """Return the receipt of this key."""
        ...

    def forget(self, before_ms: int) -> None:
        """Delete the receipts stored before a time in milliseconds since the epoch."""
        ...
