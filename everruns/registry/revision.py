"""One number that tells session hosts when agents or providers have changed."""

from everruns.ids import now_ms


class Revision:
    """Grows with every change, across restarts too.

    Each answer to an append or a load carries the revision; a host with an older one reloads
    agents and providers before its next step. So changes reach running sessions without separate
    messages.
    """

    def __init__(self) -> None:
        self.number = now_ms()

    def advance(self) -> None:
        """Something changed."""
        self.number += 1
