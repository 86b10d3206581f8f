"""Receipts in memory."""

from everruns.storage.memory.contents import Contents
from everruns.storage.receipts import Receipt


class MemoryReceipts:
    """Implements ``ReceiptStore``."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def find(self, key: str) -> Receipt | None:
        """Return the receipt of this key."""
        with self._contents.lock:
            stored = self._contents.receipts.get(key)
        return stored.receipt if stored else None

    def forget(self, before_ms: int) -> None:
        """Delete the receipts stored before a time in milliseconds since the epoch."""
        with self._contents.lock:
            self._contents.receipts = {
                key: stored
                for key, stored in self._contents.receipts.items()
                if stored.stored_ms >= before_ms
            }
