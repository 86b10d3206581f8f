"""One number that tells session hosts when agents or providers have changed."""

from everruns.ids import now_ms


class Revision:
    """Grows with every change, across restarts too.

    Each answer to an append or a load carries it; a host that knows an older one reads agents and
    providers anew before its next step. So a change reaches running sessions without any message
    of its own.
    """

    def __init__(self) -> None:
        self.number = now_ms()

    def advance(self) -> None:
        """Something changed."""
        self.number += 1
