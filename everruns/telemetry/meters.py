"""Meters: what a process measures, until somebody takes it.

Measuring costs a few dictionary operations. What is measured here goes to Ray once a second (see
``actors.metrics``); in tests it is simply read.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from math import inf

from everruns.telemetry.metrics import Metric

OTHER = "other"
"""The value of a label that is not in its closed set, or for which there is no room."""

MAX_SERIES = 500
"""Series of a metric in one process, besides the one for all others."""

Labels = tuple[str, ...]
Series = tuple[Metric, Labels]


class Distribution:
    """How values are spread that were observed since the process began.

    Args:
        bounds: The upper bounds of the buckets, in ascending order.

    Attributes:
        sum: Of the values.
    """

    __slots__ = ("_bounds", "_buckets", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._buckets = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Take a value into account."""
        self._buckets[bisect_left(self._bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self._buckets)

    def up_to(self) -> Iterator[tuple[float, int]]:
        """Return for each bound, and at last for infinity, how many values do not exceed it."""
        bounds = (*self._bounds, inf)
        return zip(bounds, accumulate(self._buckets), strict=True)


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes:
        counts: What was added to each counter since the last time.
        gauges: The latest value of each gauge, whether or not it was set since.
        distributions: The values that were observed for each histogram since the process began.
    """

    counts: dict[Series, float] = field(default_factory=lambda: defaultdict[Series, float](float))
    gauges: dict[Series, float] = field(default_factory=dict[Series, float])
    distributions: dict[Series, Distribution] = field(default_factory=dict[Series, Distribution])


class Meters:
    """The meters of one process, for use in its event loop.

    The labels are the values for ``Metric.labels``, in their order. Beyond ``MAX_SERIES``
    combinations of a metric, further ones are measured together, as ``other``.
    """

    def __init__(self) -> None:
        self._measured = Measured()
        self._known: dict[Metric, set[Labels]] = defaultdict(set)

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
        """Add a value to a histogram."""
        distributions = self._measured.distributions
        known = distributions.get((metric, labels))
        if known is None:
            series = self._known_series(metric, labels)
            known = distributions.setdefault(series, Distribution(metric.bounds))
        known.add(value)

    def take(self) -> Measured:
        """Return what was measured; only counters begin anew."""
        taken = self._measured
        self._measured = Measured(gauges=dict(taken.gauges), distributions=taken.distributions)
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
