"""A lock that threads get in the order in which they ask for it."""

from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from threading import Condition


class Queue:
    """Lets one thread at a time go on, first come, first served.

    A plain lock goes to whoever is awake when it is released: a thread that writes again and again
    would keep all others waiting.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._waiting: deque[object] = deque()

    @property
    def length(self) -> int:
        """How many wait, with the one whose turn it is."""
        return len(self._waiting)

    @contextmanager
    def turn(self, timeout_s: float) -> Generator[None]:
        """Wait for the caller's turn, which lasts until the end of the context.

        Args:
            timeout_s: Seconds to wait.

        Raises:
            TimeoutError: The turn did not come in time.
        """
        place = object()
        with self._changed:
            self._waiting.append(place)
        try:
            with self._changed:
                if not self._changed.wait_for(lambda: self._waiting[0] is place, timeout_s):
                    raise TimeoutError
            yield
        finally:
            with self._changed:
                self._waiting.remove(place)
                self._changed.notify_all()
