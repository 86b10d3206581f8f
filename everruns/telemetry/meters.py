"""Meters: what a process measures, until somebody takes it.

Measuring costs a few dictionary operations. What is measured here goes to Ray once a second (see
``actors.metrics``); in tests it is simply read.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from everruns.telemetry.metrics import Metric

OTHER = "other"
"""The value of a label that is not in its closed set, or for which there is no room."""

MAX_SERIES = 500
"""Series of a metric in one process, besides the one for all others."""

MAX_OBSERVATIONS = 10_000
"""Observed values that are kept until they are taken."""

Labels = tuple[str, ...]
Series = tuple[Metric, Labels]


@dataclass(frozen=True)
class Measured:
    """What was measured since the last time.

    Attributes:
        counts: What was added to each counter.
        gauges: The latest value of each gauge, whether or not it was set since.
        observations: The values that were observed for each histogram.
    """

    counts: dict[Series, float] = field(default_factory=lambda: defaultdict[Series, float](float))
    gauges: dict[Series, float] = field(default_factory=dict[Series, float])
    observations: dict[Series, list[float]] = field(
        default_factory=lambda: defaultdict[Series, list[float]](list)
    )


class Meters:
    """The meters of one process, for use in its event loop.

    The labels are the values for ``Metric.labels``, in their order. Beyond ``MAX_SERIES``
    combinations of a metric, further ones are measured together, as ``other``.
    """

    def __init__(self) -> None:
        self._measured = Measured()
        self._known: dict[Metric, set[Labels]] = defaultdict(set)
        self._observed = 0

    def add(self, metric: Metric, *labels: str, amount: float = 1.0) -> None:
        """Add to a counter; an amount that is not positive changes nothing."""
        if amount > 0:
            counts, series = self._measured.counts, (metric, labels)
            # A series that is in here was checked when it was added.
            if series not in counts:
                series = self._known_series(metric, labels)
            counts[series] += amount

    def begin(self, metric: Metric, *labels: str) -> None:
        """Show a counter before there is anything to count.

        Nobody can tell that the first count of a counter is an increase if it was not there before.
        """
        self._measured.counts[self._known_series(metric, labels)] += 0.0

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Set a gauge."""
        self._measured.gauges[self._known_series(metric, labels)] = value

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Add a value to a histogram; what goes beyond ``MAX_OBSERVATIONS`` at a time is lost."""
        if self._observed < MAX_OBSERVATIONS:
            self._observed += 1
            observations, series = self._measured.observations, (metric, labels)
            if series not in observations:
                series = self._known_series(metric, labels)
            observations[series].append(value)

    def take(self) -> Measured:
        """Return what was measured since the last time; gauges keep their values."""
        taken = self._measured
        self._measured = Measured(gauges=dict(taken.gauges))
        self._observed = 0
        return taken

    def _known_series(self, metric: Metric, labels: Labels) -> Series:
        known = self._known[metric]
        if labels not in known:
            if len(labels) != len(metric.labels):
                raise ValueError(f"{metric.name} has the labels {metric.labels}, not {labels}.")
            if len(known) >= MAX_SERIES:
                return metric, (OTHER,) * len(labels)
            known.add(labels)
        return metric, labels
