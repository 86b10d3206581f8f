"""What a run's faults came to, as one table at its end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median, quantiles

COLUMNS = (
    *("faults", "turns", "lost", "doubled", "stuck"),
    *("back after s", "resumed", "p50 s", "p99 s"),
)


@dataclass
class Outcome:
    """What one group of cases came to.

    Attributes:
        faults: Processes killed or paused.
        turns: Turns that were run meanwhile.
        lost: Acknowledged messages that are not in the log, or were not answered.
        doubled: Events, messages or answers that were there twice.
        stuck: Turns that did not end by themselves.
        away_s: For each process that came back, the seconds that took.
        resume_s: For each turn that went on after a fault, the seconds from the process being back
            (for a session actor: from its end) to the turn's first new event.
    """

    faults: int = 0
    turns: int = 0
    lost: int = 0
    doubled: int = 0
    stuck: int = 0
    away_s: list[float] = field(default_factory=list)
    resume_s: list[float] = field(default_factory=list)

    @contextmanager
    def fault(self) -> Iterator[list[float]]:
        """Count a fault; the turn that it hits is stuck unless the block ends well.

        Yields:
            The time of the fault, on the monotonic clock, as the checks take it.
        """
        self.faults += 1
        self.turns += 1
        self.stuck += 1
        yield [time.monotonic()]
        self.stuck -= 1

    def resumed(self, fault: float, back: float, event: float | None) -> None:
        """Count a turn that went on.

        Args:
            fault: When the process died.
            back: When it could, on the monotonic clock.
            event: When its first new event came, if one came after that.
        """
        self.away_s.append(back - fault)
        if event is not None:
            self.resume_s.append(event - back)

    def row(self) -> list[str]:
        """Return the figures as they are printed."""
        counts = map(str, (self.faults, self.turns, self.lost, self.doubled, self.stuck))
        away = f"{median(self.away_s):.2f}" if self.away_s else "-"
        return [*counts, away, str(len(self.resume_s)), *_percentiles(self.resume_s)]


class Report:
    """Outcomes by group."""

    def __init__(self) -> None:
        self._outcomes: dict[str, Outcome] = {}

    def __getitem__(self, group: str) -> Outcome:
        """Return a group's outcome, to add to."""
        return self._outcomes.setdefault(group, Outcome())

    def lines(self) -> Iterator[str]:
        """Return the table; nothing when no fault was injected."""
        if not self._outcomes:
            return
        rows = [("", *COLUMNS), *((name, *found.row()) for name, found in self._outcomes.items())]
        widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
        yield "faults injected, and what came of them"
        for first, *others in rows:
            figures = (text.rjust(width) for text, width in zip(others, widths[1:], strict=True))
            yield "  ".join((first.ljust(widths[0]), *figures))


REPORT = Report()
"""That of this run."""


def _percentiles(seconds: list[float]) -> tuple[str, str]:
    if len(seconds) < 2:
        return (f"{seconds[0]:.2f}",) * 2 if seconds else ("-", "-")
    return f"{median(seconds):.2f}", f"{quantiles(seconds, n=100, method='inclusive')[98]:.2f}"
