"""Expressions of PromQL over the metrics of this server."""

from everruns.telemetry.metrics import Metric

RAY_PREFIX = "ray_"
SHOWN = "$__rate_interval"
"""The stretch of time that fits what Grafana shows."""


def name_of(metric: Metric) -> str:
    """Return the name under which Prometheus knows a metric."""
    return RAY_PREFIX + metric.name


def rate(metric: Metric, by: str = "", where: str = "", over: str = SHOWN) -> str:
    """Return how much a counter grows a second, in all processes together.

    Args:
        metric: The counter.
        by: The labels to tell apart, separated by commas.
        where: What holds for the labels.
        over: The stretch of time that it is the mean of.
    """
    return f"sum{_by(by)} (rate({_selected(metric, where)}[{over}]))"


def increase(metric: Metric, over: str, where: str = "") -> str:
    """Return how much a counter has grown within a stretch of time, in all processes together."""
    return f"sum (increase({_selected(metric, where)}[{over}]))"


def quantile(part: float, metric: Metric, by: str = "") -> str:
    """Return the value of a histogram that a part of the observations does not exceed."""
    labels = f"le, {by}" if by else "le"
    buckets = f"rate({name_of(metric)}_bucket[{SHOWN}])"
    return f"histogram_quantile({part}, sum by ({labels}) ({buckets}))"


def total(metric: Metric, by: str = "") -> str:
    """Return the sum of a gauge over all processes."""
    return f"sum{_by(by)} ({name_of(metric)})"


def highest(metric: Metric, by: str = "") -> str:
    """Return the highest value of a gauge in any process."""
    return f"max{_by(by)} ({name_of(metric)})"


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""


def _selected(metric: Metric, where: str) -> str:
    return name_of(metric) + (f"{{{where}}}" if where else "")
