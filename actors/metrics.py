"""Metrics through Ray: what a process measures goes to the agent of its node.

The agent shows the metrics of all processes of the node to Prometheus. Ray's calls cost some
microseconds each, so they are made once a second and not where something is measured.
"""

import asyncio
import atexit
import time
from collections.abc import Callable
from math import isinf

from ray.util.metrics import Counter, Gauge

from everruns.process_environment import get_environment
from everruns.telemetry.meters import Distribution, Labels, Meters
from everruns.telemetry.metrics import LOOP_LAG, METRICS, Metric, Process

EVERY_S = 1.0
# How often Ray passes on what there is, in milliseconds, and its default.
RAY_PASSES_ON = "RAY_metrics_report_interval_ms"
RAY_PASSES_ON_MS = 10_000
BOUND = "le"


def export_metrics(
    meters: Meters, process: Process, refresh: Callable[[], None]
) -> asyncio.Task[None]:
    """Hand what a process measures to Ray, every second and when the process ends.

    Args:
        meters: What it measures.
        process: Which kind of process it is.
        refresh: Brings the meters up to date; called each time.

    Returns:
        The task that does it, which has to be kept.
    """
    for metric in METRICS:
        if metric.kind == "counter" and metric.process == process and not metric.labels:
            meters.begin(metric)
    export = _Export(meters)
    # A process that is killed loses its last second, and what Ray has not passed on since.
    atexit.register(export.flush_all)

    async def keep() -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + EVERY_S
            await asyncio.sleep(EVERY_S)
            meters.set(LOOP_LAG, max(loop.time() - due_s, 0.0), process)
            refresh()
            export.flush()

    return asyncio.ensure_future(keep())


def histograms_every_s() -> float:
    """Return the seconds after which histograms, which are many gauges, are shown again.

    A gauge that was not set since Ray last passed it on is not passed on again.
    """
    return float(get_environment(RAY_PASSES_ON) or RAY_PASSES_ON_MS) / 2000


class _Counter(Counter):
    """A counter of Ray that can be shown before there is anything to count."""

    def add(self, amount: float, tags: dict[str, str]) -> None:
        """Add to it, or nothing."""
        self._record(amount, tags)


class _Histogram:
    """A histogram in the form in which Prometheus has them, as gauges that only grow.

    Ray's own passes each value on to the agent of the node, which counts it there, one by one, as
    the middle of its bucket.

    Args:
        metric: What is observed.
    """

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        name, meaning, labels = metric.name, metric.meaning, metric.labels
        self._buckets = Gauge(f"{name}_bucket", meaning, (*labels, BOUND))
        self._count = Gauge(f"{name}_count", meaning, labels)
        self._sum = Gauge(f"{name}_sum", meaning, labels)

    def show(self, labels: Labels, distribution: Distribution) -> None:
        """Show all that was observed until now."""
        tags = _tags(self._metric, labels)
        for bound, count in distribution.up_to():
            self._buckets.set(count, {**tags, BOUND: "+Inf" if isinf(bound) else str(bound)})
        self._count.set(distribution.count, tags)
        self._sum.set(distribution.sum, tags)


class _Export:
    """The metrics of this process at Ray, each made when it is first needed.

    Args:
        meters: What the process measures.
    """

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self._counters: dict[Metric, _Counter] = {}
        self._gauges: dict[Metric, Gauge] = {}
        self._histograms: dict[Metric, _Histogram] = {}
        self._histograms_at = 0.0
        self._histograms_every_s = histograms_every_s()

    def flush_all(self) -> None:
        """Hand over everything, histograms too."""
        self._histograms_at = 0.0
        self.flush()

    def flush(self) -> None:
        """Hand over what was measured since the last time; gauges every time, or Ray drops them."""
        measured = self._meters.take()
        for (metric, labels), amount in measured.counts.items():
            if metric not in self._counters:
                self._counters[metric] = _Counter(metric.name, metric.meaning, metric.labels)
            self._counters[metric].add(amount, _tags(metric, labels))
        for (metric, labels), value in measured.gauges.items():
            if metric not in self._gauges:
                self._gauges[metric] = Gauge(metric.name, metric.meaning, metric.labels)
            self._gauges[metric].set(value, _tags(metric, labels))
        if (now := time.monotonic()) < self._histograms_at:
            return
        self._histograms_at = now + self._histograms_every_s
        for (metric, labels), distribution in measured.distributions.items():
            if metric not in self._histograms:
                self._histograms[metric] = _Histogram(metric)
            self._histograms[metric].show(labels, distribution)


def _tags(metric: Metric, labels: Labels) -> dict[str, str]:
    return dict(zip(metric.labels, labels, strict=True))
